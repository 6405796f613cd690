# Everything a contributor runs. Each target installs what it needs and is quick when that is there already.
#
#   make demo       build the binary and mine three blocks of each algorithm on the embedded chain
#   make test       all that must hold before a change lands; what CI runs
#   make lint       the part of it that needs no running program
#   make bench      criterion benches
#   make ratios     our kernels over named baselines     (make -s ratios  ONLY="sha256d scrypt")
#   make figures    speed of what is not a kernel        (make -s figures ONLY="v1-submit journal")
#   make interop    Stratum V2 programs of others with ours    (make -s interop ONLY="translator standard")
#   make nightly    the slow part: long fuzzing, all of Miri, many property cases, 100,000 simulations, cargo-deny
#   make advisories known faults of dependencies; needs to reach github.com

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

CARGO ?= cargo
ALGORITHMS ?= sha256d scrypt
DEMO ?= --blocks 3 --timeout 120
FUZZ_SECONDS ?= 5
SEEDS ?= 100000
ONLY ?=

export RUSTDOCFLAGS ?= -D warnings
export CARGO_TERM_PROGRESS_WHEN ?= never

step = @printf '\n== %s == %s\n' "$$(date +%H:%M:%S)" '$(1)'

.PHONY: help
help:
	@sed -n '3,/^$$/s/^#  *//p' Makefile

# ---- running ---------------------------------------------------------------------------------------------------

.PHONY: demo
demo:
	@.ci/setup build
	$(CARGO) build --release -p otedama-cli
	@for algorithm in $(ALGORITHMS); do \
	    printf '\n== demo: %s ==\n' "$$algorithm"; \
	    $(CARGO) run --release --quiet -p otedama-cli --bin otedama -- demo --algorithm "$$algorithm" $(DEMO); \
	done

# ---- testing ---------------------------------------------------------------------------------------------------

.PHONY: test
test: lint features beside unit fuzz
	$(call step,all green)

.PHONY: lint
lint: fmt clippy doc purity tidy licences

.PHONY: fmt
fmt:
	@.ci/setup rust
	$(call step,formatting)
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy:
	@.ci/setup rust build
	$(call step,clippy)
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings

.PHONY: doc
doc:
	$(call step,documentation)
	$(CARGO) doc --workspace --no-deps --all-features --locked

.PHONY: purity
purity:
	$(call step,who may import whom)
	.ci/purity

.PHONY: tidy
tidy:
	$(call step,tidy)
	$(CARGO) test -p otedama-core --test tidy --locked

.PHONY: licences
licences:
	$(call step,licences and sources of dependencies)
	.ci/licences

.PHONY: features
features:
	$(call step,each feature alone)
	.ci/features

.PHONY: cross
cross:
	@.ci/setup targets
	$(call step,other targets)
	.ci/cross

.PHONY: aarch64
aarch64:
	@.ci/setup build aarch64
	$(call step,kernels for 64-bit Arm in an emulator)
	.ci/aarch64

.PHONY: oldest
oldest:
	@.ci/setup oldest
	$(call step,the oldest compiler)
	.ci/oldest

.PHONY: package
package:
	$(call step,packages built from what would be published)
	.ci/package

.PHONY: points
points:
	@.ci/setup build
	$(call step,no way to die at will in what is built)
	.ci/points

# The interpreter takes minutes on one processor, and compilers leave one idle now and then.
.PHONY: beside
beside:
	@.ci/setup build targets aarch64 oldest nightly
	.ci/beside miri cross aarch64 oldest package points

.PHONY: unit
unit:
	@.ci/setup build nodes
	$(call step,tests)
	$(CARGO) test --workspace --all-features --locked

.PHONY: miri
miri:
	@.ci/setup nightly
	$(call step,Miri: kernels)
	.ci/miri quick

.PHONY: fuzz
fuzz:
	@.ci/setup nightly fuzz
	$(call step,fuzzing for $(FUZZ_SECONDS) s per target)
	.ci/fuzz $(FUZZ_SECONDS)

# ---- measuring -------------------------------------------------------------------------------------------------

.PHONY: bench
bench:
	@.ci/setup build
	$(CARGO) bench -p otedama-benches

.PHONY: ratios
ratios:
	@.ci/setup build >&2
	@$(CARGO) run --release --quiet -p otedama-benches --bin ratios -- $(ONLY)

.PHONY: figures
figures:
	@.ci/setup build >&2
	@$(CARGO) build --release --quiet -p otedama-cli
	@$(CARGO) run --release --quiet -p otedama-benches --bin figures -- $(ONLY)

# ---- programs of others ----------------------------------------------------------------------------------------

.PHONY: interop
interop:
	@.ci/setup build peers >&2
	@$(CARGO) build --quiet --locked -p otedama-cli
	@$(CARGO) build --quiet --locked -p otedama-conformance --bins
	@$(CARGO) run --quiet --locked -p otedama-conformance --bin interop -- $(ONLY)

# ---- the slow part ---------------------------------------------------------------------------------------------

.PHONY: nightly
nightly: test
	@.ci/setup deny
	$(call step,cargo-deny)
	$(CARGO) deny --all-features check licenses bans sources
	$(call step,property tests with many cases)
	PROPTEST_CASES=20000 $(CARGO) test --release --workspace --all-features --locked
	$(call step,a whole dataset of RandomX)
	$(CARGO) test --release -p otedama-hash -p otedama-gpu --all-features --locked -- --ignored
	$(call step,a hundred thousand pools in simulation)
	$(CARGO) run --release --locked -p otedama-cli -- chaos --seed 1 --seeds $(SEEDS) --hours 0.05
	$(call step,Miri: whole crates)
	.ci/miri whole
	$(call step,fuzzing for ten minutes per target)
	.ci/fuzz 600

.PHONY: advisories
advisories:
	@.ci/setup deny
	$(CARGO) deny --all-features check advisories
