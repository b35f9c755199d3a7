# weir's everyday commands; each first installs what it needs (tools/setup). The builds themselves are CMake presets.

PRESET ?= gcc-debug
PORT ?= 8080
FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help demo test boost docs bench sanitize compilers fuzz format clean

help:
	@echo 'make demo       build the demo and run it       PORT=8080'
	@echo 'make test       build and run all tests         PRESET=gcc-debug (address and undefined sanitizers)'
	@echo 'make boost      build and run all tests with Boost.Asio'
	@echo 'make docs       build the documentation: build/docs/site/index.html'
	@echo 'make bench      build and run the benchmarks'
	@echo 'make sanitize   the tests under clang: address and undefined, then thread sanitizer'
	@echo 'make compilers  the headers under every compiler  ASIO_ROOT=<another Asio>'
	@echo 'make fuzz       run every fuzz target           FUZZ_SECONDS=60 each'
	@echo 'make format     clang-format everything'
	@echo 'make clean      remove build/'

demo:
	@tools/setup
	@cmake --preset gcc-release >/dev/null
	@cmake --build --preset gcc-release --parallel $(JOBS) --target weir_demo
	@PORT=$(PORT) build/gcc-release/examples/demo/weir_demo

# tools/setup has seen to it that every browser, client and proxy is there: none may be skipped.
test:
	@tools/setup test
	cmake --preset $(PRESET) >/dev/null
	cmake --build --preset $(PRESET) --parallel $(JOBS)
	WEIR_REQUIRE_INTEROP=1 ctest --preset $(PRESET) --parallel $(JOBS) --output-on-failure

boost:
	$(MAKE) test PRESET=gcc-boost

docs:
	@tools/setup docs
	@tools/docs
	@echo build/docs/site/index.html

bench:
	@tools/setup bench
	cmake --preset gcc-release -DWEIR_BUILD_BENCH=ON >/dev/null
	cmake --build --preset gcc-release --parallel $(JOBS) --target bench

sanitize:
	@tools/setup test sanitize
	$(MAKE) test PRESET=clang-debug
	$(MAKE) test PRESET=clang-tsan

# Warnings of all of them, once; then what docs/compilers.md says of switches, with each of them.
compilers:
	@tools/setup compilers
	@set -e; only=; for compiler in g++ clang++-16 clang++-19; do \
		build=build/compilers/$$compiler; \
		echo "== $$compiler"; \
		cmake -S . -B "$$build" -G Ninja -DCMAKE_CXX_COMPILER=$$compiler -DCMAKE_BUILD_TYPE=Debug \
			-DWEIR_BUILD_EXAMPLES=OFF $(if $(ASIO_ROOT),'-Dasio_ROOT=$(ASIO_ROOT)') >/dev/null; \
		cmake --build "$$build" --parallel $(JOBS) --target weir_compilers; \
		ctest --test-dir "$$build" --label-regex compilers $$only --output-on-failure; \
		only='--tests-regex compilers_no'; \
	done

# New inputs are collected under build/; one that is worth keeping goes to fuzz/corpus/<target>/ by hand.
fuzz:
	@tools/setup fuzz
	cmake --preset clang-fuzz >/dev/null
	cmake --build --preset clang-fuzz --parallel $(JOBS)
	@set -e; for program in build/clang-fuzz/fuzz/fuzz_*; do \
		[ -x "$$program" ] || continue; \
		name=$${program##*/fuzz_}; found=build/clang-fuzz/corpus/$$name; seeds=fuzz/corpus/$$name; \
		[ -d "$$seeds" ] || seeds=; \
		mkdir -p "$$found"; \
		echo "== $$name, $(FUZZ_SECONDS) s"; \
		"$$program" -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -verbosity=0 \
			-artifact_prefix="build/clang-fuzz/$$name-" "$$found" $$seeds; \
	done

format:
	@tools/setup format
	git ls-files --cached --others --exclude-standard -z '*.hpp' '*.ipp' '*.cpp' | xargs -0 -r clang-format-19 -i

clean:
	rm -rf build
