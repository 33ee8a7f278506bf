# tests.mk - how the tests are built and run; included by the Makefile.
#
# check = layers, wire rules, unit tests (plain, ASan+UBSan, valgrind),
#         integration, demo stories, fuzzers. Nothing here installs anything.

RUN := tests/run.sh
VALGRIND := valgrind -q --suppressions=tests/valgrind.supp --error-exitcode=9 --leak-check=full \
            --show-leak-kinds=definite,indirect \
            --errors-for-leak-kinds=definite,indirect
FUZZ_SECONDS ?= 30
FUZZERS := frame envelope hl7 csv tsv conf note witness quorum log_proof
CLANG ?= clang
SCRIPTS := $(sort $(wildcard tests/unit/*/*/*_test.sh tests/it/*_test.sh))
# the lying disk is a preloaded library, which the sanitizers do not allow
BATS := $(filter-out $(if $(SAN),%/sabotage.bats),$(sort $(wildcard tests/it/*.bats)))
STORIES := discharge emergency plan consent night meeting report outage badinput canary erasure
TOOLS := $(addprefix $B/bin/tsunagi-,rawpeer sample look-hub look-node powercut)

.PHONY: verifiers policy unit unit-san unit-valgrind it it-san stories fuzz bench storm san-all

# the stories' own: `tsunagi demo play` tells any of them
all: $(TOOLS) $B/fault/nosync.so
$B/bin/tsunagi-rawpeer: $B/tests/demo/rawpeer.o $(call libs,$(L_wire))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_wire)
$B/bin/tsunagi-sample: $B/tests/demo/sample.o $(call libs,core json wire base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_json) $(LIBS_wire)
$B/bin/tsunagi-look-hub: $B/tests/demo/look_hub.o $(call libs,$(L_store))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_store) $(LIBS_wire)
$B/bin/tsunagi-look-node: $B/tests/demo/look_node.o $(call libs,$(L_sdk))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_json) $(LIBS_store) $(LIBS_wire)
$B/fault/nosync.so: tests/fault/nosync.c tests/fault/disk.c tests/fault/disk.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -I. -O2 -Wall -Wextra -Werror -fPIC -shared \
	    -o $@ $(filter %.c,$^) -ldl
$B/bin/tsunagi-powercut: tests/fault/powercut.c tests/fault/disk.c tests/fault/disk.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -I. -O2 -Wall -Wextra -Werror -o $@ $(filter %.c,$^)

# logs, proofs and evidence of a fork, checked with Go's own code for such logs
GO := GO111MODULE=off GOFLAGS= CGO_ENABLED=0 GOPATH=/usr/share/gocode \
    GOCACHE=$(abspath $B/go) go
VERIFY_GO := $B/verify/verify-go
$(VERIFY_GO): tests/verify/verify.go
	@mkdir -p $(@D)
	$(GO) build -o $@ $<

# a hub with one function replaced, to be refused by the nodes
UNLEAFED := $B/fault/tsunagid-unleafed
$(UNLEAFED): $B/tests/fault/unleafed.o $B/hub/app/main.o $(call libs,$(L_app))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -Wl,--wrap=store_leaf -Wl,--wrap=store_leaf_get -o $@ $^ \
	    $(LIBS_store) $(LIBS_wire)

unit: $(UNIT)
	@echo 'unit tests'
	@$(RUN) $(UNIT)
unit-san:
	@$(MAKE) --no-print-directory SAN=1 B=build/san build/san/unit.built
	@echo 'unit tests under ASan and UBSan'
	@$(RUN) $(patsubst $B/%,build/san/%,$(UNIT))
$B/unit.built: $(UNIT)
	@touch $@
# those that fork, kill or count pages make no sense under valgrind
VALGRIND_SKIP := %/protoc_gen_tsunagi_test
VALGRIND_JOBS ?= 2
unit-valgrind: $(UNIT)
	@echo 'unit tests under valgrind'
	@TSUNAGI_VALGRIND=1 $(RUN) -j $(VALGRIND_JOBS) -w '$(VALGRIND)' $(filter-out $(VALGRIND_SKIP),$(UNIT))

it: all $(TOOLS) $(UNLEAFED) $(VERIFY_GO)
	@echo 'integration tests'
	@sh tests/check_man.sh $B/bin
	@PATH=$(abspath $B/bin):$$PATH $(RUN) -j 1 $(SCRIPTS) $(BATS)

stories: all $(TOOLS) $B/fault/nosync.so
	@for s in $(STORIES); do \
	    $B/bin/tsunagi demo play $$s $(STORY_FLAGS) || exit 1; done

# The same programs built with sanitizers; any report of any process, also of
# one that the story kills or stops, leaves a file and fails.
SAN_REPORT := $(abspath build/san)/report
it-san:
	@rm -f $(SAN_REPORT).*
	@ASAN_OPTIONS=log_path=$(SAN_REPORT):quarantine_size_mb=1 \
	    UBSAN_OPTIONS=log_path=$(SAN_REPORT) \
	    $(MAKE) --no-print-directory SAN=1 B=build/san STORY_FLAGS=--quick it stories
	@if ls $(SAN_REPORT).* >/dev/null 2>&1; then cat $(SAN_REPORT).*; exit 1; fi

# ---- fuzzing: clang's libFuzzer with ASan and UBSan ------------------------
FUZZ_FLAGS := -std=c11 -D_GNU_SOURCE -DTSUNAGI_VERSION='"$(VERSION)"' -g -O1 \
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_C := $(call src,proto/base) $(call src,proto/wire) $(call src,adapters/sdk) \
    $(call src,adapters/connect) $(addprefix adapters/hospital/,er7.c adt.c form.c) \
    $(addprefix hub/core/,approve.c order.c)
FUZZ_O := $(FUZZ_C:%.c=$B/fuzz/obj/%.o) $(GEN_C:$B/%.c=$B/fuzz/obj/%.o) \
    $B/fuzz/obj/gen/google/protobuf/descriptor.pb-c.o
$B/fuzz/obj/gen/%.o: $B/gen/%.c $(GEN_H)
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -c -o $@ $<
$B/fuzz/obj/%.o: %.c $(GEN_H)
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -c -o $@ $<
$B/fuzz/%: $B/fuzz/obj/tests/fuzz/%_fuzz.o $(FUZZ_O)
	$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS_json) \
	    $(LIBS_store) -lcsv $(LIBS_wire)
fuzz: $(FUZZERS:%=$B/fuzz/%)
	@echo 'fuzzing, $(FUZZ_SECONDS) s each'
	@for f in $(FUZZERS); do mkdir -p $B/fuzz/new/$$f; done
	@$(RUN) -w tests/fuzz/one.sh $(FUZZERS:%=$B/fuzz/%)

bench: all $B/bin/tsunagi-bench $B/bin/tsunagi-make-export
	@$B/bin/tsunagi-bench
$B/bin/tsunagi-bench: $B/tests/bench/bench.o $B/tests/bench/withdraw.o \
    $B/tests/bench/policy.o $B/tests/bench/report.o $B/tests/bench/log.o \
    $B/tests/bench/verify.o \
    $B/tests/live/live.o $(call libs,ctl sdk app net store core json wire base)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_json) $(LIBS_store) $(LIBS_wire)

$B/bin/tsunagi-storm: $B/tests/storm/storm.o $B/tests/live/live.o $(call libs,core $(L_wire))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_wire) -lpthread

$B/bin/tsunagi-crash: $B/tests/storm/crash.o $B/tests/live/live.o $(call libs,$(L_ctl))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_json) $(LIBS_store) $(LIBS_wire)

STORM_ROUNDS ?= 10000
STORM_KILLS ?= 300
STORM_CUTS ?= 100
STORM := $B/storm
storm: all $B/bin/tsunagi-storm $B/bin/tsunagi-crash
	@echo 'consents given and taken back at once, $(STORM_ROUNDS) rounds'
	@rm -rf $(STORM) $(STORM)-lie
	@$B/bin/tsunagi-storm $(STORM) $(STORM_ROUNDS)
	@/usr/bin/python3 -B tests/storm/check_log.py $(STORM)
	@$B/bin/tsunagi audit verify $(STORM) --vkey $(STORM)/log.vkey
	@/usr/bin/python3 -B tests/verify/verify.py $(STORM) --vkey $(STORM)/log.vkey
	@if /usr/bin/python3 -B tests/storm/check_log.py $(STORM) --mutate >/dev/null 2>&1; \
	    then echo 'check_log.py finds no planted breach'; exit 1; fi
	@echo 'killed $(STORM_KILLS) times and $(STORM_CUTS) times without power'
	@$B/bin/tsunagi-crash $(STORM_KILLS) $(STORM_CUTS)
	@mkdir -p $(STORM)-lie
	@for lie in 1 / -wal; do \
	    if TMPDIR=$(abspath $(STORM)-lie) $B/bin/tsunagi-crash 0 20 \
	        --lie $$lie >$(STORM)-lie/said 2>&1 || \
	        ! grep -q FOUND $(STORM)-lie/said; \
	    then cat $(STORM)-lie/said; \
	        echo "a disk that lies is not found out: $$lie"; exit 1; fi; done
	@rm -rf $(STORM)-lie

# ---- the policy, decided twice ---------------------------------------------
# decide.py is the decision again, from its text; oracle asks the hub's core.
ORACLE := $B/bin/tsunagi-oracle
POLICY ?= deploy/policy
POLICY_REQUESTS ?= 1000000
$(ORACLE): $B/tests/policy/oracle.o $(call libs,$(L_core))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_wire)
policy: $(ORACLE) $B/bin/tsunagi
	@python3 -B tests/policy/cases.py $(POLICY)
	@$B/bin/tsunagi policy test $(POLICY)
	@python3 -B tests/policy/mutate.py $(POLICY) --tsunagi $B/bin/tsunagi
	@python3 -B tests/policy/compare.py $(ORACLE) $(POLICY) \
	    --tsunagi $B/bin/tsunagi --requests $(POLICY_REQUESTS)

# ---- the log, verified three times ------------------------------------------
N ?= 10000
$B/bin/tsunagi-make-export: $B/tests/verify/make_export.o $B/hub/ctl/tiles.o $(call libs,core $(L_wire))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_wire)
verifiers: $B/bin/tsunagi $B/bin/tsunagi-make-export $(VERIFY_GO)
	@/usr/bin/python3 -B tests/verify/mutate.py $B $(N)

layers:
	@sh tests/check_layers.sh
	@sh tests/check_wire.sh
	@sh tests/check_faults.sh
	@python3 -B tests/check_field.py

check: all
	@tests/check.sh $(MAKE)
