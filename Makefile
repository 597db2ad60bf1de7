# coord: one non-recursive Makefile. Everything built goes to build/$(VARIANT)/.
#
#   make                 the two programs, build/release/bin/coord and coord-worker
#   make check           build and run every test        check-asan, check-tsan
#   make crash           coordinator and worker killed at every place and at hundreds of
#                        moments, ten minutes
#   make quickstart      run deploy/grids/quickstart.toml and show the results
#   make bench           our engine against PyTorch, ten minutes; bench-table also
#                        writes tests/bench/RESULTS.md
#   make bench-probe     probes against PyTorch's loop; bench-probe-table writes PROBES.md
#   make bench-memory    the size of a ResNet-18's probe of every layer at 50 alphas
#   make soak            an hour of a million jobs, watched for what grows (SOAK_JOBS=..)
#   make chaos SEED=..   a real sweep while everything dies: the same bytes
#   make storm CROWD=..  so many workers, and a coordinator that is killed under them
#   make sim SEEDS=..    simulated trouble under that many seeds
#   make bench-coord     the coordinator against its targets; bench-coord-table writes
#                        tests/bench/COORD.md
#   make lint tidy format fuzz install clean
#
# VARIANT=release|asan|tsan|fuzz

VARIANT ?= release
B       := build/$(VARIANT)
PREFIX  ?= /usr/local

CC  = gcc
CXX = g++
ifeq ($(VARIANT),fuzz)
CC  = clang
CXX = clang++
endif

PACKAGES = libczmq libzmq sqlite3 openblas msgpack tomlplusplus jansson libsodium zlib
# Headers of libraries are not ours to warn about, hence -isystem.
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PACKAGES)))
# Only what a program uses: a library that is merely loaded may start threads, and
# OpenBLAS's would take the signals that coord waits for.
LIBS       := -Wl,--as-needed $(shell pkg-config --libs $(PACKAGES)) -lm -lpthread

# x86-64-v3 is AVX2, FMA and BMI2: every x86 server of the last ten years.
# common/cpucheck.c is built without it and says so where it is missing.
ARCH_x86_64 = -march=x86-64-v3
ARCH       ?= $(ARCH_$(shell uname -m))

# No fast-math, ever: it deletes NaN checks. No contraction either: a product
# and a sum are fused where the source says fma and nowhere else.
WARN     = -Wall -Wextra -Wconversion -Wshadow -Wpointer-arith -Wwrite-strings \
           -Wformat=2 -Wundef -Werror
CWARN    = $(WARN) -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
OPT      = -O2 -g -ffp-contract=off -fno-omit-frame-pointer
CPPFLAGS = -I. -D_GNU_SOURCE $(PKG_CFLAGS)
CFLAGS   = -std=c11 $(OPT) $(SAN) $(CWARN)
CXXFLAGS = -std=c++17 $(OPT) $(SAN) -Wall -Wextra -Werror

SAN_asan = -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_tsan = -fsanitize=thread
SAN_fuzz = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SAN      = $(SAN_$(VARIANT))
LDFLAGS  = $(SAN)

# ---- what there is ---------------------------------------------------------

AREAS   := common proto coordinator worker
sources  = $(filter-out %/main.c %/cpucheck.c,$(wildcard $(1)/*.c $(1)/*/*.c $(1)/*.cpp))
objects  = $(patsubst %,$(B)/%.o,$(1))

SRC_common      := $(call sources,common)
SRC_proto       := $(call sources,proto)
SRC_coordinator := $(call sources,coordinator)
SRC_worker      := $(call sources,worker)
OBJ_common      := $(call objects,$(SRC_common))
OBJ_proto       := $(call objects,$(SRC_proto))
OBJ_coordinator := $(call objects,$(SRC_coordinator)) $(B)/gen/schema_sql.c.o
OBJ_worker      := $(call objects,$(SRC_worker))

# Kernels, compiled once for every instruction set (worker/nn/simd/simd.h).
SIMD_SRC         := $(wildcard worker/nn/simd/*.c)
SIMD_SETS_x86_64 := avx2 avx512
SIMD_SETS        := $(or $(SIMD_SETS_$(shell uname -m)),avx2)
SIMD_avx2        := -DSIMD_AVX2 $(ARCH)
SIMD_avx512      := -DSIMD_AVX512 -march=x86-64-v4 -mprefer-vector-width=512
simd_objects      = $(foreach s,$(SIMD_SETS),$(SIMD_SRC:worker/nn/simd/%.c=$(B)/$(1)/$(s)/%.c.o))
OBJ_worker       += $(call simd_objects,simd)

# The engine once more in double precision, for gradient checks.
OBJ_nn64 := $(patsubst worker/nn/%.c,$(B)/nn64/%.c.o,$(wildcard worker/nn/*.c)) \
            $(call simd_objects,simd64)

LIB  = $(B)/lib$(1).a
ARCHIVES = $(foreach a,coordinator worker proto common,$(call LIB,$(a)))
BINS = $(B)/bin/coord $(B)/bin/coord-worker

TEST_SRC  := $(wildcard tests/unit/test_*.c tests/numeric/test_*.c \
                        tests/proto/test_*.c tests/sim/test_*.c tests/regress/test_*.c)
GRAD_SRC  := $(wildcard tests/numeric/grad_*.c)
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)
TESTS := $(TEST_SRC:%.c=$(B)/%) $(GRAD_SRC:%.c=$(B)/%)
FUZZ  := $(FUZZ_SRC:%.c=$(B)/%)
BENCH := $(BENCH_SRC:%.c=$(B)/%)
# What flows and soaks start beside the real programs.
TOOLS := $(B)/tests/soak/nulls $(B)/tests/chaos/proxy
FLOWS := $(wildcard tests/flow/*.bats)
# Minutes of plain arithmetic: nothing for the sanitizers, see the file.
ifneq ($(VARIANT),release)
FLOWS := $(filter-out %/accuracy.bats,$(FLOWS))
endif

.PHONY: all tests check check-asan check-tsan crash quickstart bench bench-table bench-probe \
        bench-probe-table bench-memory soak chaos storm sim lint tidy format \
        fuzz fuzz-run syntax install clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BINS)
tests: $(TESTS)

# ---- rules -----------------------------------------------------------------

$(B)/bin/coord: $(B)/coordinator/main.c.o $(B)/common/cpucheck.c.o $(ARCHIVES)
$(B)/bin/coord-worker: $(B)/worker/main.c.o $(B)/common/cpucheck.c.o $(ARCHIVES)
$(BINS):
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS) -o $@ $^ $(ARCHIVES) $(LIBS)

define archive
$(call LIB,$(1)): $$(OBJ_$(1))
	@rm -f $$@
	@mkdir -p $$(@D)
	ar rcs $$@ $$^
endef
$(foreach a,$(AREAS) nn64,$(eval $(call archive,$(a))))

$(B)/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ARCH) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.cpp.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(ARCH) $(CXXFLAGS) -MMD -MP -c -o $@ $<
$(B)/nn64/%.c.o: worker/nn/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DNN_DOUBLE $(ARCH) $(CFLAGS) -MMD -MP -c -o $@ $<
define simd_rules
$(B)/simd/$(1)/%.c.o: worker/nn/simd/%.c
	@mkdir -p $$(@D)
	$(CC) $(CPPFLAGS) $(SIMD_$(1)) $(CFLAGS) -MMD -MP -c -o $$@ $$<
$(B)/simd64/$(1)/%.c.o: worker/nn/simd/%.c
	@mkdir -p $$(@D)
	$(CC) $(CPPFLAGS) -DNN_DOUBLE $(SIMD_$(1)) $(CFLAGS) -MMD -MP -c -o $$@ $$<
endef
$(foreach s,$(SIMD_SETS),$(eval $(call simd_rules,$(s))))
$(B)/gen/%.c.o: $(B)/gen/%.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# The check for the CPU must itself run on any CPU; nothing refers to it, so it is
# linked by name.
$(B)/common/cpucheck.c.o: ARCH =

# The schema, embedded as C strings: what each version adds, and the views.
SCHEMA_1_SQL := coordinator/sql/10-schema.sql
SCHEMA_2_SQL := coordinator/sql/30-resume.sql
SCHEMA_3_SQL := coordinator/sql/40-control.sql
SCHEMA_4_SQL := coordinator/sql/50-probe.sql
SCHEMA_5_SQL := coordinator/sql/60-operate.sql
SCHEMA_6_SQL := coordinator/sql/70-options.sql
SCHEMA_7_SQL := coordinator/sql/80-stop.sql
$(B)/gen/schema_sql.c: $(SCHEMA_1_SQL) $(SCHEMA_2_SQL) $(SCHEMA_3_SQL) $(SCHEMA_4_SQL) \
                       $(SCHEMA_5_SQL) $(SCHEMA_6_SQL) $(SCHEMA_7_SQL) \
                       coordinator/sql/views.sql coordinator/sql/invariants.sql \
                       coordinator/sql/embed.sh
	@mkdir -p $(@D)
	sh coordinator/sql/embed.sh store_schema_1_sql $(SCHEMA_1_SQL) > $@
	sh coordinator/sql/embed.sh store_schema_2_sql $(SCHEMA_2_SQL) >> $@
	sh coordinator/sql/embed.sh store_schema_3_sql $(SCHEMA_3_SQL) >> $@
	sh coordinator/sql/embed.sh store_schema_4_sql $(SCHEMA_4_SQL) >> $@
	sh coordinator/sql/embed.sh store_schema_5_sql $(SCHEMA_5_SQL) >> $@
	sh coordinator/sql/embed.sh store_schema_6_sql $(SCHEMA_6_SQL) >> $@
	sh coordinator/sql/embed.sh store_schema_7_sql $(SCHEMA_7_SQL) >> $@
	sh coordinator/sql/embed.sh store_views_sql coordinator/sql/views.sql >> $@
	sh coordinator/sql/embed.sh store_invariants_sql coordinator/sql/invariants.sql >> $@

$(B)/tests/%: $(B)/tests/%.c.o $(ARCHIVES)
	$(CXX) $(LDFLAGS) -o $@ $< $(ARCHIVES) $(LIBS) -lcmocka
$(B)/tests/numeric/grad_%: $(B)/tests/numeric/grad_%.c.o $(call LIB,nn64) $(call LIB,common)
	$(CXX) $(LDFLAGS) -o $@ $< $(call LIB,nn64) $(call LIB,common) $(LIBS) -lcmocka
$(GRAD_SRC:%.c=$(B)/%.c.o): CPPFLAGS += -DNN_DOUBLE
$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.c.o $(ARCHIVES)
	$(CXX) $(SAN) -fsanitize=fuzzer -o $@ $< $(ARCHIVES) $(LIBS)
# Simulated workers, for whoever wants them.
NULLS := $(B)/tests/soak/null_worker.c.o
$(B)/tests/soak/%: $(B)/tests/soak/%.c.o $(NULLS) $(ARCHIVES)
	$(CXX) $(LDFLAGS) -o $@ $< $(NULLS) $(ARCHIVES) $(LIBS)
$(B)/tests/chaos/%: $(B)/tests/chaos/%.c.o
	$(CXX) $(LDFLAGS) -o $@ $<
$(B)/tests/bench/%: $(B)/tests/bench/%.c.o $(ARCHIVES)
	$(CXX) $(LDFLAGS) -o $@ $< $(ARCHIVES) $(LIBS)

# ---- verbs -----------------------------------------------------------------

check: all tests $(TOOLS)
	sh tests/run.sh $(B) $(TESTS) $(FLOWS)
check-asan:
	$(MAKE) VARIANT=asan check
check-tsan:
	$(MAKE) VARIANT=tsan check
crash: all
	COORD_BIN=$(CURDIR)/$(B)/bin COORD_SOURCE=$(CURDIR) sh tests/crash/run.sh
quickstart: all
	sh deploy/quickstart.sh --installed
bench: all $(BENCH)
	sh tests/bench/run.sh $(B)
bench-table: all $(BENCH)
	sh tests/bench/run.sh $(B) --table tests/bench/RESULTS.md
bench-probe: all $(BENCH)
	/usr/bin/python3 tests/bench/compare_probe.py $(B)
bench-memory: all $(BENCH)
	/usr/bin/python3 tests/bench/compare_probe.py $(B) --fifty
bench-probe-table: all $(BENCH)
	/usr/bin/python3 tests/bench/compare_probe.py $(B) --table tests/bench/PROBES.md
# Fuzzing needs clang, which warns of more; whoever changes a source sees it at once.
syntax:
	printf '%s\n' $(filter %.c,$(foreach a,$(AREAS),$(SRC_$(a)))) $(SIMD_SRC) $(FUZZ_SRC) | \
	    xargs -n 16 -P 2 clang -fsyntax-only $(CPPFLAGS) $(SIMD_avx2) -std=c11 $(CWARN)
soak: all $(TOOLS)
	/usr/bin/python3 tests/soak/soak.py $(B) $(B)/soak
chaos: all
	/usr/bin/python3 tests/chaos/chaos.py $(B) $(B)/chaos
storm: all $(TOOLS)
	COORD_BIN=$(CURDIR)/$(B)/bin CROWD=$(or $(CROWD),5000) bats -f T16 tests/flow/storms.bats
sim: $(B)/tests/sim/test_sim
	SIM_SEEDS=$(or $(SEEDS),5000) $(B)/tests/sim/test_sim
bench-coord: all $(BENCH)
	/usr/bin/python3 tests/bench/coord.py $(B)
bench-coord-table: all $(BENCH)
	/usr/bin/python3 tests/bench/coord.py $(B) --table tests/bench/COORD.md
lint:
	sh tests/lint/run.sh
tidy:
	sh tests/lint/tidy.sh $(CPPFLAGS) $(ARCH) -std=c11
format:
	git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format -i
fuzz:
	$(MAKE) VARIANT=fuzz fuzz-run
fuzz-run: $(FUZZ)
	sh tests/fuzz/run.sh $(FUZZ)
install: all
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(BINS)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/coord/grids deploy/grids/*.toml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/coord/grids/paper deploy/grids/paper/*.toml
clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
