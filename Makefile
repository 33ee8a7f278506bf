# Makefile - builds everything under $(B); `make help` lists the targets.
# Each floor of the house is one static library, linked in the order of
# tests/check_layers.sh: base <- wire <- core <- store, net, app, ctl, sdk.

MAKEFLAGS += -rR # every rule is written here
B ?= build
CC := gcc
AR := ar
PROTOC ?= protoc
PREFIX ?= /usr
VERSION := 0.1.0

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wundef
OPT ?= -O2 -g
, := ,
SAN_FLAGS := $(if $(SAN),-fsanitize=address$(,)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -DTSUNAGI_VERSION='"$(VERSION)"' $(OPT) \
        $(WARN) -fPIC -fstack-protector-strong -fvisibility=default \
        $(SAN_FLAGS) $(CFLAGS)
CPPFLAGS := -I. -I$B/gen -Iadapters/sdk/include
LDFLAGS := $(SAN_FLAGS) -Wl,-z,relro,-z,now

LIBS_wire := -lsodium -lprotobuf-c -lzmq -lutf8proc -lconfig -lm
LIBS_store := -lsqlite3
LIBS_json := -ljansson

# ---- generated code ------------------------------------------------------
PROTO := $(sort $(wildcard proto/tsunagi/v1/*.proto))
GEN_C := $(PROTO:proto/%.proto=$B/gen/%.pb-c.c) $B/gen/schema_tables.c
GEN_O := $(GEN_C:.c=.o)
PLUGIN := $B/bin/protoc-gen-tsunagi
PLUGIN_GEN := $B/gen/google/protobuf/descriptor.pb-c.c \
              $B/gen/google/protobuf/compiler/plugin.pb-c.c

# ---- floors --------------------------------------------------------------
src = $(sort $(wildcard $(1)/*.c))
obj = $(patsubst %.c,$B/%.o,$(1))
BASE_O := $(call obj,$(call src,proto/base))
WIRE_O := $(call obj,$(filter-out proto/wire/json.c,$(call src,proto/wire)))
JSON_O := $(call obj,proto/wire/json.c)
CORE_O := $(call obj,$(call src,hub/core))
STORE_O := $(call obj,$(call src,hub/store))
NET_O := $(call obj,$(call src,hub/net))
APP_O := $(call obj,$(filter-out hub/app/main.c,$(call src,hub/app)))
CTL_O := $(call obj,$(filter-out hub/ctl/main.c,$(call src,hub/ctl)))
SDK_O := $(call obj,$(call src,adapters/sdk))
CONNECT_O := $(call obj,$(call src,adapters/connect))
LIB := $(addprefix $B/lib,$(addsuffix .a,base wire json core store net app ctl sdk connect))

MODULES := hospital municipality health_centre consultation_centre \
           life_support_hub office example
MODULE_SO := $(MODULES:%=$B/modules/%.so)
BIN := $B/bin/tsunagid $B/bin/tsunagi $B/bin/tsunagi-adapter $B/bin/tsunagi-demo

.PHONY: all help clean check stats layers install
all: $(BIN) $(MODULE_SO)

help:
	@echo 'make            build programs and modules into $B/'
	@echo 'make check      every test: layers, unit (plain, ASan+UBSan, valgrind), policy,'
	@echo '                integration, demo stories, fuzzers for 30 s each'
	@echo 'make unit       the unit tests alone'
	@echo 'make policy     the policy tables: cases, mutants, and the decision in Python'
	@echo '                against that of the hub on every cell and a million requests'
	@echo 'make storm      consents given and taken back at once, judged from the log'
	@echo 'make verifiers  10,000 mutated exports of the log, refused by C, Go and Python (N=...)'
	@echo 'make bench      benchmarks, printed, never pass or fail'
	@echo 'make stats      sizes of functions and files'
	@echo 'make install    into DESTDIR=, PREFIX=$(PREFIX)'

# protoc's own schemas, for reading options and the plug-in request
$B/gen/google/%.pb-c.c $B/gen/google/%.pb-c.h:
	@mkdir -p $B/gen
	$(PROTOC) -I /usr/include --c_out=$B/gen google/$*.proto
$(PLUGIN): proto/plugin/protoc-gen-tsunagi.c $(PLUGIN_GEN)
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -I$B/gen -o $@ $^ \
	    -lprotobuf-c -lsodium
# options.pb-c.h includes the descriptor's header
$B/gen/tsunagi/v1/%.pb-c.c $B/gen/tsunagi/v1/%.pb-c.h: proto/tsunagi/v1/%.proto $B/gen/google/protobuf/descriptor.pb-c.c
	$(PROTOC) -I proto -I /usr/include --c_out=$B/gen tsunagi/v1/$*.proto
$B/gen/schema_tables.c $B/gen/event_types.h &: $(PROTO) $(PLUGIN)
	$(PROTOC) -I proto -I /usr/include --plugin=$(PLUGIN) --tsunagi_out=$B/gen \
	    $(PROTO:proto/%=%)
GEN_H := $(PROTO:proto/%.proto=$B/gen/%.pb-c.h) $B/gen/event_types.h
# SQL as C strings, built into the store
$B/gen/schema_%.h: hub/store/schema/%.sql
	@mkdir -p $(@D)
	sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&\\n"/' $< > $@
$B/hub/store/open.o: $B/gen/schema_0001.h $B/gen/schema_keyring_0001.h
.SECONDARY:

GEN_CFLAGS := $(filter-out -Wmissing-prototypes -Wcast-qual -Wundef -Wshadow,$(ALL_CFLAGS))
$B/gen/%.o: $B/gen/%.c $(GEN_H)
	$(CC) $(CPPFLAGS) $(GEN_CFLAGS) -Wno-unused -c -o $@ $<
$B/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define archive
	@rm -f $@
	@$(AR) rcs $@ $^
endef
$B/libbase.a: $(BASE_O)
	$(archive)
$B/libwire.a: $(WIRE_O) $(GEN_O) $B/gen/google/protobuf/descriptor.pb-c.o
	$(archive)
$B/libjson.a: $(JSON_O)
	$(archive)
$B/libcore.a: $(CORE_O)
	$(archive)
$B/libstore.a: $(STORE_O)
	$(archive)
$B/libnet.a: $(NET_O)
	$(archive)
$B/libapp.a: $(APP_O)
	$(archive)
$B/libctl.a: $(CTL_O)
	$(archive)
$B/libsdk.a: $(SDK_O)
	$(archive)
$B/libconnect.a: $(CONNECT_O)
	$(archive)

# Archives a thing links, by floor, users first.
L_base := base
L_wire := wire base
L_json := json wire base
L_core := core wire base
L_store := store core wire base
L_net := app net store core wire base
L_app := app net store core wire base
L_sdk := sdk json wire base
L_connect := connect $(L_sdk)
L_ctl := ctl sdk core json wire base
libs = $(addprefix $B/lib,$(addsuffix .a,$(1)))

# ---- programs ------------------------------------------------------------
# ld wants the generated-message archive once more after core and store
$B/bin/tsunagid: $B/hub/app/main.o $(call libs,$(L_app))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_store) $(LIBS_wire)
$B/bin/tsunagi: $B/hub/ctl/main.o $(call libs,$(L_ctl))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_json) $(LIBS_store) $(LIBS_wire)
# the stories, packed into one program
DEMO := $(sort $(wildcard tests/demo/*.py))
$B/bin/tsunagi-demo: $(DEMO)
	@rm -rf $B/demo && mkdir -p $(@D) $B/demo && cp $(DEMO) $B/demo/
	/usr/bin/python3 -m zipapp $B/demo -p /usr/bin/python3 -o $@

# the SDK as one shared library, so that host and modules share its state
$B/lib/libtsunagi.so: $(SDK_O) $(JSON_O) $(WIRE_O) $(BASE_O) $(GEN_O) $B/gen/google/protobuf/descriptor.pb-c.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,libtsunagi.so -o $@ $^ \
	    $(LIBS_json) $(LIBS_store) $(LIBS_wire)
$B/bin/tsunagi-adapter: $(call obj,$(call src,adapters/host)) $B/lib/libtsunagi.so
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/../lib' -o $@ $(filter %.o,$^) \
	    -L$B/lib -ltsunagi $(LIBS_json) $(LIBS_wire) -ldl
define module_rule
$B/modules/$(1).so: $(call obj,$(call src,adapters/$(1))) $B/libconnect.a $B/lib/libtsunagi.so
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -shared -Wl,-rpath,'$$$$ORIGIN/../lib' -o $$@ \
	    $$(filter %.o %.a,$$^) -L$B/lib -ltsunagi $(LIBS_json) -lcsv
endef
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m))))

# ---- tests ---------------------------------------------------------------
UNIT_C := $(sort $(wildcard tests/unit/*/*_test.c tests/unit/*/*/*_test.c))
UNIT := $(UNIT_C:%.c=$B/%)
floor_of = $(if $(filter tests/unit/proto/base/%,$(1)),base,$(if $(filter tests/unit/proto/wire/json%,$(1)),json,$(if $(filter tests/unit/proto/%,$(1)),wire,$(if $(filter tests/unit/hub/core/%,$(1)),core,$(if $(filter tests/unit/hub/store/%,$(1)),store,$(if $(filter tests/unit/hub/net/%,$(1)),net,$(if $(filter tests/unit/hub/app/%,$(1)),app,$(if $(filter tests/unit/hub/ctl/%,$(1)),ctl,$(if $(filter tests/unit/adapters/sdk/%,$(1)),sdk,connect)))))))))
module_objects = $(foreach m,$(MODULES),$(if $(filter tests/unit/adapters/$(m)/%,$(1)),$(call obj,$(call src,adapters/$(m)))))
define unit_rule
$B/$(1:%.c=%): $B/$(1:%.c=%).o $(call module_objects,$(1)) $(call libs,$(L_$(call floor_of,$(1))))
	$$(CC) $$(LDFLAGS) -o $$@ $$^ -lcmocka $(LIBS_json) $(LIBS_store) -lcsv $(LIBS_wire)
endef
$(foreach t,$(UNIT_C),$(eval $(call unit_rule,$(t))))

-include tests/tests.mk

# Programs, library and modules stay together; the links in PREFIX/bin find
# them by their resolved path.
LIBDIR = $(DESTDIR)$(PREFIX)/lib/tsunagi
SHARE = $(DESTDIR)$(PREFIX)/share
install: all
	install -D -m 755 -t $(LIBDIR)/bin $(BIN)
	install -D -m 755 -t $(LIBDIR)/lib $B/lib/libtsunagi.so
	install -D -m 755 -t $(LIBDIR)/modules $(MODULE_SO)
	install -d $(DESTDIR)$(PREFIX)/bin
	for p in $(notdir $(BIN)); do \
	    ln -sf ../lib/tsunagi/bin/$$p $(DESTDIR)$(PREFIX)/bin/$$p; done
	install -D -m 644 -t $(SHARE)/tsunagi/policy deploy/policy/*.tsv
	install -D -m 644 -t $(SHARE)/doc/tsunagi README.md ARCHITECTURE.md \
	    CHANGELOG.md SECURITY.md proto/*.md deploy/manual/ja/*.md
	install -D -m 644 -t $(SHARE)/doc/tsunagi/examples deploy/examples/*
	for p in deploy/man/*.[1-8]; do \
	    install -D -m 644 -t $(SHARE)/man/man$${p##*.} $$p; done
	$B/bin/tsunagi help --man > $B/tsunagi.1
	install -D -m 644 -t $(SHARE)/man/man1 $B/tsunagi.1
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system deploy/systemd/*.service
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/tsunagi \
	    adapters/sdk/include/tsunagi/adapter.h

stats:
	@tests/stats.sh

clean:
	rm -rf $B

DEPS := $(BASE_O) $(WIRE_O) $(JSON_O) $(CORE_O) $(STORE_O) $(NET_O) $(APP_O) \
        $(CTL_O) $(SDK_O) $(CONNECT_O) $(call obj,$(wildcard adapters/*/*.c hub/*/main.c $(UNIT_C)))
-include $(DEPS:.o=.d) $(wildcard $B/tests/*/*.d)
