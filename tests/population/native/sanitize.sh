#!/bin/sh
# Builds the kernels with AddressSanitizer and UndefinedBehaviorSanitizer, runs all of them on
# awkward sizes, and compares the bits between instruction sets. The kernels of 16 lanes run on any
# processor, by emulation.
#
#     tests/population/native/sanitize.sh [FOLDER FOR THE BUILD]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../../src/hyperzoo/population/native/kernels
build=${1:-$(mktemp -d)}
mkdir -p "$build"
flags="-std=c++17 -O1 -g -ffp-contract=off -fno-math-errno -Wall -Wextra -Werror -Wno-psabi
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"

# Compiling the checks into the kernels takes minutes: all files at once.
mkdir -p "$build/wide"
jobs=
for file in "$kernels"/*.cpp "$here/driver.cpp"; do
    ${CXX:-c++} $flags -c "$file" -o "$build/$(basename "$file" .cpp).o" & jobs="$jobs $!"
done
${CXX:-c++} $flags -DHYPERZOO_BASELINE_LANES=16 -c "$kernels/variant_baseline.cpp" \
    -o "$build/wide/variant_baseline.o" & jobs="$jobs $!"
for job in $jobs; do wait "$job"; done
${CXX:-c++} $flags "$build"/*.o -o "$build/driver"
others=$(ls "$build"/*.o | grep -v variant_baseline)
${CXX:-c++} $flags $others "$build/wide/variant_baseline.o" -o "$build/wide/driver"

"$build/driver" > "$build/native.txt"
HYPERZOO_NATIVE_ISA=baseline "$build/driver" > "$build/baseline.txt"
HYPERZOO_NATIVE_ISA=baseline "$build/wide/driver" > "$build/wide.txt"
cmp "$build/native.txt" "$build/baseline.txt"
cmp "$build/native.txt" "$build/wide.txt"
echo "clean, and the same bits with 4 lanes, 16 lanes and the processor's own"
