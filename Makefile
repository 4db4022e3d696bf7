# make run    a bridge that moves events in front of you; needs nothing but Python
# make test   every check and every test, against real brokers
# make soak   the long tests at full length
# make bench  measurements against what else one would use
.PHONY: run test soak bench

run: .venv/.ready-run
	@.venv/bin/eventspan quickstart

test: .venv-test/.ready-test
	@scripts/test

soak: .venv-test/.ready-test
	@EVENTSPAN_SOAK=1 scripts/with-brokers .venv-test/bin/pytest --timeout 3600 tests/soak

bench: .venv-test/.ready-test
	@PYTHONPATH=tests scripts/with-brokers .venv-test/bin/python -m bench

.venv/.ready-run: pyproject.toml scripts/setup
	@scripts/setup .venv run

.venv-test/.ready-test: pyproject.toml scripts/setup
	@scripts/setup .venv-test test
