# `make demo` and `make test` do everything on a fresh machine. `make check` is the part of `make test` without the tests.
.PHONY: demo test check lock
ARGS ?=

demo:
	@.ci/setup
	@.venv/bin/pledgetrail demo $(ARGS)

test:
	@.ci/setup dev
	@.ci/setup-browser
	@.ci/setup-axe
	@.ci/setup-anvil
	@.ci/setup-softhsm
	@.ci/setup-mosquitto
	@.ci/setup-eels
	@.ci/setup-s3
	@.ci/setup-ipfs
	@$(MAKE) --no-print-directory check
	@.venv/bin/pytest -n 2 --dist worksteal $(ARGS)

check:
	@.ci/setup dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

lock:
	@.ci/lock

# Slow tiers and figures, not part of `make test`.
.PHONY: bench-demo bench-gas bench-relay guard-kill
bench-demo:
	@.ci/setup dev
	@.venv/bin/python -m tests.benchmarks.demo

# make bench-gas [PEERS=folder] [ARGS='--explain "why the gas changed"' | ARGS=--profile]
bench-gas:
	@.ci/setup dev
	@.venv/bin/python -m tests.benchmarks.gas $(if $(PEERS),--peers $(PEERS)) $(ARGS)

# make bench-relay [ARGS="notary block"]
bench-relay:
	@.ci/setup dev
	@.venv/bin/python -m tests.benchmarks.relay $(ARGS)

# make bench-evidence [ARGS="append tree proof camera"]
.PHONY: bench-evidence
bench-evidence:
	@.ci/setup dev
	@.venv/bin/python -m tests.benchmarks.evidence $(ARGS)

# make guard-kill MODULE=contracts/vyper/merkle.vy, or a Python module; TESTS="…" instead of those in guard_kill.toml
guard-kill:
	@.ci/setup dev
	@.venv/bin/python -m tests.guard_kill $(MODULE) $(TESTS)

# make simulate [SEEDS=10000] [FROM=0]: the simulated network; a violation names its seed
.PHONY: simulate
SEEDS ?= 1000
FROM ?= 0
simulate:
	@.ci/setup dev
	@.venv/bin/python -m tests.simulation --seeds $(SEEDS) --from $(FROM)

# make fsck-flips [FLIPS=1000] [SEED=1]: random bits of a ledger's folder, one at a time; fsck must name each
.PHONY: fsck-flips
FLIPS ?= 1000
SEED ?= 1
fsck-flips:
	@.ci/setup dev
	@.venv/bin/python -m tests.fsck_flips --count $(FLIPS) --seed $(SEED)

# make kill-points [SEEDS=20] [FROM=0]: a relay process killed at every named point, in each seed's order
.PHONY: kill-points
kill-points: SEEDS = 20
kill-points:
	@.ci/setup dev
	@.venv/bin/python -m tests.acceptance.kill_points --seeds $(SEEDS) --from $(FROM)

# make watch-clean [TRANSFERS=1000000] [SEED=1]: clean transfers before the watch; whatever it raises is false
.PHONY: watch-clean
TRANSFERS ?= 1000000
watch-clean:
	@.ci/setup dev
	@.venv/bin/python -m tests.notary.alarms.clean --transfers $(TRANSFERS) --seed $(SEED)
