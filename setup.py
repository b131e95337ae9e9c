"""Builds the native engine's and the analysis's kernels; everything else is in pyproject.toml.

The extensions are optional: without a C++17 compiler the install succeeds, and hyperzoo trains with
PyTorch and counts with NumPy. They are plain C libraries (called through ctypes) and do not depend
on Python's version.
"""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = Path("src/hyperzoo/population/native/kernels")
ANALYSIS = Path("src/hyperzoo/analysis/kernels")
FLAGS = [
    "-std=c++17",
    "-O3",
    "-g0",
    # A product and a sum are fused where the source says so and nowhere else.
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    # Vectors wider than the processor's are passed between inlined functions alone.
    "-Wno-psabi",
]

# A debugging or sanitizing build appends its own, e.g. HYPERZOO_NATIVE_FLAGS="-g -Werror".
EXTRA = os.environ.get("HYPERZOO_NATIVE_FLAGS", "").split()


class BuildNative(build_ext):
    """Drops flags of Python's own build that would change the kernels' arithmetic."""

    def build_extensions(self) -> None:
        """Build without flags that tune for the machine at hand."""
        for name in ("compiler_so", "compiler_so_cxx"):
            command = getattr(self.compiler, name, None)
            if command:
                kept = [flag for flag in command if not flag.startswith(("-march", "-ffast"))]
                setattr(self.compiler, name, kept)
        super().build_extensions()


setup(
    ext_modules=[
        Extension(
            "hyperzoo.population.native._native",
            sources=sorted(str(file) for file in FOLDER.glob("*.cpp")),
            depends=sorted(str(file) for file in FOLDER.glob("*.hpp")),
            extra_compile_args=FLAGS + EXTRA,
            extra_link_args=EXTRA,
            language="c++",
            optional=True,
            py_limited_api=True,
        ),
        Extension(
            "hyperzoo.analysis._kernels",
            sources=sorted(str(file) for file in ANALYSIS.glob("*.cpp")),
            depends=sorted(str(file) for file in ANALYSIS.glob("*.hpp")),
            extra_compile_args=FLAGS + EXTRA,
            extra_link_args=EXTRA,
            language="c++",
            optional=True,
            py_limited_api=True,
        ),
    ],
    cmdclass={"build_ext": BuildNative},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
