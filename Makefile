# Makefile - the front door; the build itself is meson's (meson.build)
# SPDX-License-Identifier: MIT
#
#   make                           the library and the programs, in build/
#   make check                     everything that is checked, in build/check/
#   make demo MIB=1024             the demonstration, over a file of that size
#   make demo FILE=... BUDGET=64M  ... over a file of yours, within that memory
#   make bench                     the measurements W1 to W13, in a few minutes
#   make bench-full                the same, longer: some twenty minutes
#   make bench-run                 programs plainly and under `quire run`: a minute
#   make check-programs            real programs under `quire run`, compared
#   make soak SECONDS=60 SEED=1    random operations for so long
#   make soak-run SECONDS=600      64 processes under `quire run`, killed
#   make install PREFIX=/usr DESTDIR=
#   make clean

PREFIX ?= /usr/local
DESTDIR ?=
SECONDS = 60
SEED = 1
MIB = 1024
JOBS =
FILE =
BUDGET =

.PHONY: all check check-programs demo bench bench-full bench-run soak soak-run install \
	clean packages

all: build/build.ninja
	ninja -C build $(if $(JOBS),-j$(JOBS))

build/build.ninja: | packages
	meson setup build --prefix=$(PREFIX) -Db_lto=true

packages:
	@tools/packages build

check:
	@tools/packages build check
	@JOBS=$(JOBS) tools/check

check-programs: all
	@tools/packages programs
	@tests/programs/run.sh

demo: all
	@mkdir -p build/data
	@$(if $(FILE),,demo/make-data.sh build/data/demo $(MIB))
	@build/demo $(if $(BUDGET),--budget $(BUDGET)) --folder build/data \
		"$(or $(FILE),build/data/demo)"
	@demo/programs.sh build build/data "$(or $(FILE),build/data/demo)" \
		$(BUDGET)

bench: all
	@bench/run.sh build

bench-full: all
	@bench/run.sh build --long

bench-run: all
	@tools/packages programs
	@bench/programs.py build --json build/bench/programs.json

soak:
	@tools/packages build check
	@JOBS=$(JOBS) tools/soak $(SECONDS) $(SEED)

soak-run: all
	@tests/programs/soak.sh $(SECONDS) $(SEED)

install: all
	meson configure build -Dprefix=$(PREFIX)
	ninja -C build $(if $(JOBS),-j$(JOBS))
	DESTDIR=$(DESTDIR) meson install -C build --no-rebuild

clean:
	rm -rf build
