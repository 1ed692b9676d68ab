# SPDX-License-Identifier: MIT
#
# larder - a cache in memory that all processes of one host share
#
#   make            build the library, the daemon, the tool and the harness into build/
#   make demo       install what is missing, build, and show the cache surviving a kill -9
#   make check      install what is missing, build, run all tests (under 3 minutes)
#   make check-all  check, then the simulator and the stops at length, the unit and process tests under
#                   ASan+UBSan and TSan, and lint
#   make bench      run the bars of larder-bench (QUICK=1: 45 seconds)
#   make lint       format, static analysis, -Werror builds, aarch64, house rules
#   make fuzz       run each tests/fuzz/fuzz_*.c for FUZZ_SECONDS (60)
#   make deps       install the missing Debian packages with apt; nothing else installs
#   make install    into $(DESTDIR)$(PREFIX); make uninstall removes exactly that
#   make dist       build/larder-VERSION.tar.gz of the committed tree
#   make clean      remove build/
#   make help       this text
#
# One test: make tests && tests/run.sh unit/test_index    (or build/tests/unit/test_index)
#
# Knobs: CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS PREFIX=/usr/local DESTDIR= JOBS=
#   V=1                      show the commands
#   WERROR=1                 warnings are errors
#   SAN=address,undefined    a sanitizer build; SAN=thread wants CC=clang
#   SIM=1                    a build with the schedule points of the simulator: the static library
#                            and tests/sim/test_*.c, which the other tests/sim/*.c drive
#   BUILD=build              where everything is built
# A compiler other than gcc, SAN and SIM each build into a directory of their own under
# build/ (see VARIANT), so that no object is ever linked into a build of another kind.

BUILD ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
DESTDIR ?=
V ?= 0
WERROR ?= 0
SAN ?=
SIM ?= 0
FUZZ_SECONDS ?= 60

ifeq ($(origin CC),default)
CC = gcc
endif
ifeq ($(origin CXX),default)
CXX = $(if $(findstring clang,$(CC)),clang++,g++)
endif
CFLAGS ?= $(if $(SAN),-O1,-O2) -g
CXXFLAGS ?= $(CFLAGS)

ifeq ($(MAKELEVEL),0)
JOBS ?= $(shell nproc)
MAKEFLAGS += --jobs=$(JOBS)
endif
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

VERSION := $(shell sed -n 's/^.define LARDER_VERSION "\(.*\)"/\1/p' include/larder/larder.h)
SONAME = liblarder.so.$(firstword $(subst ., ,$(VERSION)))

# ---------------------------------------------------------------- what a build is called

empty :=
space := $(empty) $(empty)
comma := ,
VARIANT := $(strip $(filter-out gcc cc,$(notdir $(CC))) $(subst $(comma), ,$(SAN)) \
	$(if $(filter 1,$(SIM)),sim))
VARIANT := $(if $(VARIANT),$(subst $(space),-,$(VARIANT)),release)
OBJ := $(BUILD)/obj/$(VARIANT)
OUT := $(if $(filter release,$(VARIANT)),$(BUILD),$(BUILD)/$(VARIANT))

# ---------------------------------------------------------------- flags
#
# The user's CFLAGS come last and are never changed, so that they win.

WARN_BOTH = -Wall -Wextra -Wpedantic -Wshadow -Wpointer-arith -Wcast-qual -Wcast-align \
	-Wwrite-strings -Wvla -Wundef -Wformat=2 -Wimplicit-fallthrough
WARN_C = $(WARN_BOTH) -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
COMMON = -D_GNU_SOURCE -Iinclude -fno-common -fno-plt -fno-omit-frame-pointer \
	-fstack-protector-strong -fvisibility=hidden -MMD -MP
COMMON += $(if $(filter 1,$(WERROR)),-Werror)
COMMON += $(if $(filter 1,$(SIM)),-DLARDER_SIM)
SAN_FLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
# gcc cannot model fences under TSan and says so at each one.
SAN_FLAGS += $(if $(findstring thread,$(SAN)),$(if $(findstring clang,$(CC)),,-Wno-tsan))
COMMON += $(SAN_FLAGS)

# _FORTIFY_SOURCE needs an optimizing build and confuses sanitizers. The library, and the harness
# that compares it with a bare table, go without: its checks would be paid in every get.
FORTIFY = $(if $(SAN),,$(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),-D_FORTIFY_SOURCE=2))
# Frame pointers and stack cookies are a tenth of a get.
DIR_libclient = -fPIC -fno-semantic-interposition $(if $(SAN),,-fomit-frame-pointer \
	-fno-stack-protector)
DIR_daemon = -fPIE -Ilibclient $(FORTIFY)
DIR_tools = -fPIE $(FORTIFY)
DIR_bench = -fPIE
DIR_tests = -fPIE -Ilibclient -Idaemon -Itools -Ibench -Itests/common -UNDEBUG
dir_flags = $(DIR_$(firstword $(subst /, ,$<)))

LINK_FLAGS = $(SAN_FLAGS) -Wl,-z,relro,-z,now,--as-needed
LINK = $(LINK_FLAGS) -pie
# The runtime of a sanitizer is in the program, so its symbols are undefined in a library.
LINK_SO = $(LINK_FLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,libclient/liblarder.map \
	$(if $(SAN),,-Wl,-z,defs)

ABSL = absl_flat_hash_map absl_hash
DAEMON_LIBS = -lconfuse
TOOLS_LIBS =
BENCH_LIBS = -lzstd -lm -pthread $(shell pkg-config --libs $(ABSL))
BENCH_CXX = $(shell pkg-config --cflags $(ABSL) | sed 's/-I/-isystem /g')

ifeq ($(V),1)
say =
else
say = @printf '  %-6s %s\n' '$(1)' '$(2)';
endif

# ---------------------------------------------------------------- sources

objects = $(patsubst %,$(OBJ)/%.o,$(basename $(1)))
sources = $(sort $(wildcard $(1)))

LIB_OBJ := $(call objects,$(call sources,libclient/*.c))
DAEMON_OBJ := $(call objects,$(call sources,daemon/*.c))
TOOLS_OBJ := $(call objects,$(call sources,tools/*.c))
BENCH_OBJ := $(call objects,$(call sources,bench/*.c bench/*.cc))
COMMON_OBJ := $(call objects,$(call sources,tests/common/*.c))

ifeq ($(SIM),1)
TEST_SRC := $(call sources,tests/sim/test_*.c)
SIM_OBJ := $(call objects,$(filter-out $(TEST_SRC),$(call sources,tests/sim/*.c)))
else
TEST_SRC := $(call sources,tests/unit/test_*.c tests/proc/*.c tests/crash/*.c)
endif
TEST_OBJ := $(call objects,$(TEST_SRC))
TESTS := $(patsubst %.c,$(OUT)/%,$(TEST_SRC))
FUZZ_SRC := $(call sources,tests/fuzz/fuzz_*.c)
FUZZERS := $(patsubst %.c,$(OUT)/%,$(FUZZ_SRC))
ALL_OBJ := $(LIB_OBJ) $(DAEMON_OBJ) $(TOOLS_OBJ) $(BENCH_OBJ) $(COMMON_OBJ) $(SIM_OBJ) \
	$(TEST_OBJ) $(call objects,$(FUZZ_SRC))

SO := $(OUT)/liblarder.so.$(VERSION)
LIBS := $(OUT)/liblarder.a $(OUT)/liblarder.pc \
	$(if $(LIB_OBJ),$(SO) $(OUT)/$(SONAME) $(OUT)/liblarder.so)
BINS := $(if $(wildcard daemon/main.c),$(OUT)/larderd) \
	$(if $(wildcard tools/main.c),$(OUT)/larderctl) \
	$(if $(wildcard bench/main.c),$(OUT)/larder-bench)
MAN_SRC := $(wildcard $(addsuffix /man/*.[1-8].scd,libclient daemon tools bench))
MAN := $(patsubst %.scd,$(OUT)/man/%,$(notdir $(MAN_SRC)))

# ---------------------------------------------------------------- build

.PHONY: all tests check check-sim check-long check-all demo bench lint fuzz fuzzers deps deps-lint \
	install uninstall dist clean help FORCE

# What drives the simulator is in its tests, so nothing else can be linked with it.
ifeq ($(SIM),1)
all: $(OUT)/liblarder.a
else
all: $(LIBS) $(BINS) $(MAN)
endif

tests: $(TESTS)

# Both goals install first what the build needs. Order-only: nothing is rebuilt for it.
ifneq ($(filter check check-long check-all demo,$(MAKECMDGOALS)),)
$(ALL_OBJ) $(MAN): | deps
endif

$(OBJ)/%.o: %.c $(OBJ)/flags
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -std=c17 $(WARN_C) $(COMMON) $(dir_flags) $(CPPFLAGS) $(CFLAGS) \
		-MF $(@:.o=.d) -c -o $@ $<

$(OBJ)/%.o: %.cc $(OBJ)/flags
	@mkdir -p $(@D)
	$(call say,CXX,$@)$(CXX) -std=c++17 $(WARN_BOTH) $(COMMON) $(dir_flags) $(BENCH_CXX) \
		$(CPPFLAGS) $(CXXFLAGS) -MF $(@:.o=.d) -c -o $@ $<

# Rewritten only when it changes, so that other flags rebuild what they must.
stamp = mkdir -p $(@D) && printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' >$@
$(OBJ)/flags: FORCE
	@$(call stamp,$(CC) $(CXX) $(WARN_C) $(COMMON) $(DIR_libclient) $(DIR_daemon) $(DIR_tests) \
		$(CPPFLAGS) $(CFLAGS) $(CXXFLAGS))
$(OBJ)/prefix: FORCE
	@$(call stamp,$(PREFIX) $(LIBDIR) $(VERSION))

$(OUT)/liblarder.a: $(LIB_OBJ)
$(OUT)/tests/libcommon.a: $(COMMON_OBJ)
$(OUT)/tests/libsim.a: $(SIM_OBJ)
$(OUT)/tests/libdaemon.a: $(filter-out %/main.o,$(DAEMON_OBJ))
$(OUT)/tests/libtools.a: $(filter-out %/main.o,$(TOOLS_OBJ))
$(OUT)/tests/libbench.a: $(filter-out %/main.o,$(BENCH_OBJ))
$(OUT)/%.a:
	@mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(SO): $(LIB_OBJ) libclient/liblarder.map
	$(call say,LD,$@)$(CC) $(LINK_SO) $(LDFLAGS) -o $@ $(LIB_OBJ)

$(OUT)/$(SONAME) $(OUT)/liblarder.so: $(SO)
	@ln -sf $(<F) $@

$(OUT)/liblarder.pc: libclient/liblarder.pc.in $(OBJ)/prefix
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|;s|@LIBDIR@|$(LIBDIR)|;s|@VERSION@|$(VERSION)|' $< >$@

$(OUT)/larderd: $(DAEMON_OBJ) $(OUT)/liblarder.a
	$(call say,LD,$@)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(OUT)/larderctl: $(TOOLS_OBJ) $(OUT)/liblarder.a
	$(call say,LD,$@)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(TOOLS_LIBS)

$(OUT)/larder-bench: $(BENCH_OBJ) $(OUT)/liblarder.a
	$(call say,LD,$@)$(CXX) $(LINK) $(LDFLAGS) -o $@ $^ $(BENCH_LIBS)

# Without scdoc there are no pages, and all else is built. A build of sanitizers has the same ones.
vpath %.scd $(sort $(dir $(MAN_SRC)))
$(MAN): $(OUT)/man/%: %.scd
	@mkdir -p $(@D)
	@if command -v scdoc >/dev/null; then printf '  %-6s %s\n' SCDOC '$@'; scdoc <$< >$@; \
	else echo '  scdoc is missing: no $(@F)'; fi

# A test is one file, linked with the helpers in tests/common and with the static library, whose
# internal symbols it may use. unit/test_daemon_*, test_tools_* and test_bench_* get all of that
# component but its main().
$(filter $(OUT)/tests/unit/%,$(TESTS)): TEST_LIBS = -lcmocka
$(filter $(OUT)/tests/sim/%,$(TESTS)): $(OUT)/tests/libsim.a
$(filter $(OUT)/tests/sim/%,$(TESTS)): TEST_LIBS = -lcmocka
define component_tests
$(filter $(OUT)/tests/unit/test_$(1)_%,$(TESTS)): $(OUT)/tests/lib$(1).a
$(filter $(OUT)/tests/unit/test_$(1)_%,$(TESTS)): TEST_LIBS = $$($(2)) -lcmocka
endef
$(eval $(call component_tests,daemon,DAEMON_LIBS))
$(eval $(call component_tests,tools,TOOLS_LIBS))
$(eval $(call component_tests,bench,BENCH_LIBS))
$(TESTS): $(OUT)/%: $(OBJ)/%.o $(OUT)/tests/libcommon.a $(OUT)/liblarder.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(if $(findstring -labsl,$(TEST_LIBS)),$(CXX),$(CC)) $(LINK) $(LDFLAGS) \
		-pthread -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(TEST_LIBS)

$(FUZZERS): $(OUT)/%: $(OBJ)/%.o $(OUT)/tests/libcommon.a $(OUT)/liblarder.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(LINK) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^

-include $(ALL_OBJ:.o=.d)

# ---------------------------------------------------------------- run

# The simulator's tests need a library of another kind, built beside this one.
ifneq ($(wildcard tests/sim/test_*.c),)
ifneq ($(SIM),1)
check-sim: | deps
	@$(MAKE) --no-print-directory CC=gcc SAN= SIM=1 tests
check: check-sim
endif
endif

check: deps all tests
	@LARDER_BUILD='$(abspath $(OUT))' SIM_BUILD='$(abspath $(BUILD)/sim)' tests/run.sh

# What is sampled in check, at length: 10^8 shared accesses under the simulator, the mutants that it must
# see, more instructions at which a process is stopped.
check-long: check
	@$(MAKE) --no-print-directory SIM=1 tests
	@$(OUT)/sim/tests/sim/test_random --from 1000000 --accesses 100000000
	@tests/sim/mutants.sh
	@$(OUT)/tests/crash/stop_each --seed 2 --samples 300

check-all: check-long
	@CHECK=0 .ci/run

demo: deps all
	@$(OUT)/larder-bench demo

bench: all
	$(OUT)/larder-bench bars --json $(if $(QUICK),--quick)

lint: deps-lint
	@tests/lint/run.sh

fuzzers: $(FUZZERS)

fuzz:
ifeq ($(FUZZ_SRC),)
	@echo 'no tests/fuzz/fuzz_*.c'
else
	@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined fuzzers
	@for f in $(basename $(notdir $(FUZZ_SRC))); do mkdir -p $(BUILD)/corpus/$$f && \
		$(BUILD)/clang-fuzzer-no-link-address-undefined/tests/fuzz/$$f \
		-max_total_time=$(FUZZ_SECONDS) $(BUILD)/corpus/$$f || exit 1; done
endif

# ---------------------------------------------------------------- packages

PACKAGES = gcc libc6-dev g++ make pkg-config procps zstd spin scdoc libxxhash-dev libconfuse-dev \
	libcmocka-dev libabsl-dev libzstd-dev liburing-dev libsqlite3-dev
LINT_PACKAGES = clang clang-format clang-tidy cppcheck shellcheck libclang-rt-14-dev \
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross

deps deps-lint: WANT = $(PACKAGES)
deps-lint: WANT += $(LINT_PACKAGES)
deps deps-lint:
	@have=$$(dpkg-query -W -f='$${db:Status-Abbrev} $${Package}\n' $(WANT) 2>/dev/null | \
		sed -n 's/^.i *//p'); \
	missing=; for p in $(WANT); do \
		printf '%s\n' "$$have" | grep -qxF "$$p" || missing="$$missing $$p"; done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=; \
	elif sudo -n true 2>/dev/null; then as=sudo; \
	else echo "These packages are missing. Type:" >&2; \
		echo "  apt-get install -y --no-install-recommends$$missing" >&2; exit 1; fi; \
	echo "  APT   $$missing"; \
	$$as apt-get update -q && $$as env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends $$missing

# ---------------------------------------------------------------- install
#
# One list of mode:source:destination, so that uninstall removes exactly what install brought. A
# manual page that could not be built is left out.

UNITS := $(wildcard daemon/systemd/*.service daemon/systemd/*.socket)
COMPLETIONS := $(wildcard tools/completion/*)
INSTALL_LIST = $(foreach f,$(BINS),755:$(f):$(PREFIX)/bin/$(notdir $(f))) \
	644:$(OUT)/liblarder.a:$(LIBDIR)/liblarder.a \
	644:$(OUT)/liblarder.pc:$(LIBDIR)/pkgconfig/liblarder.pc \
	$(if $(LIB_OBJ),755:$(SO):$(LIBDIR)/$(notdir $(SO)) \
		link:$(notdir $(SO)):$(LIBDIR)/$(SONAME) link:$(SONAME):$(LIBDIR)/liblarder.so) \
	$(foreach f,$(wildcard include/larder/*),644:$(f):$(PREFIX)/include/larder/$(notdir $(f))) \
	$(foreach f,$(MAN),man:$(f):$(PREFIX)/share/man/man$(subst .,,$(suffix $(f)))/$(notdir $(f))) \
	$(foreach f,$(UNITS),644:$(f):$(PREFIX)/lib/systemd/system/$(notdir $(f))) \
	$(foreach f,$(COMPLETIONS),\
		644:$(f):$(PREFIX)/share/bash-completion/completions/$(basename $(notdir $(f))))

install: all
	@for i in $(INSTALL_LIST); do \
		mode=$${i%%:*}; to='$(DESTDIR)'$${i##*:}; from=$${i#*:}; from=$${from%:*}; \
		if [ "$$mode" = man ]; then [ -f "$$from" ] || continue; mode=644; fi; \
		mkdir -p "$$(dirname "$$to")" || exit 1; \
		if [ "$$mode" = link ]; then ln -sf "$$from" "$$to"; \
		else install -m "$$mode" "$$from" "$$to"; fi || exit 1; \
		echo "  INST   $$to"; done

uninstall:
	@for i in $(INSTALL_LIST); do \
		to='$(DESTDIR)'$${i##*:}; rm -f "$$to" || exit 1; echo "  RM     $$to"; done
	@rmdir --ignore-fail-on-non-empty '$(DESTDIR)$(PREFIX)/include/larder' 2>/dev/null || :

dist:
	@mkdir -p $(BUILD)
	git archive --format=tar.gz --prefix=larder-$(VERSION)/ -o $(BUILD)/larder-$(VERSION).tar.gz HEAD

clean:
	rm -rf $(BUILD)

help:
	@sed -n '1,2d;/^#/!q;s/^# \{0,1\}//p' Makefile
