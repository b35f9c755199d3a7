#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs conanfile.py, for each combination of its options, against a small stand-in for Conan's API, and compares what it
declares with weir's CMake targets and with the installed headers. What the stand-in refuses, Conan refuses, too.

    conan_recipe.py <weir's source> <list of CMake's targets> <installed weir>

The list has a line per target: name|interface libraries|interface definitions, as CMakeLists.txt has them.
"""

import fnmatch
import importlib.util
import itertools
import os
import re
import shutil
import sys
import tempfile
import types
from pathlib import Path

# What CMake calls the dependencies, and ConanCenter.
CONAN_NAMES = {
    "llhttp::llhttp": "llhttp::llhttp",
    "asio::asio": "asio::asio",
    "Boost::headers": "boost::headers",
    "ZLIB::ZLIB": "zlib::zlib",
    "OpenSSL::SSL": "openssl::ssl",
    "OpenSSL::Crypto": "openssl::crypto",
    "liburing::liburing": "liburing::liburing",
    "weir_core": "core",
}
PKG_CONFIG_NAMES = {"weir::weir": "weir", "weir::boost": "weir-boost"}


class InvalidConfiguration(Exception):
    pass


class Value:
    """Of an option or a setting: comparing it with what it can never be is a mistake."""

    def __init__(self, value, possible=None):
        self.value, self.possible = value, possible

    def __eq__(self, other):
        assert self.possible is None or other in self.possible, f"{other!r} is none of {self.possible}"
        return self.value == other

    def __bool__(self):
        return self.value not in (False, None)

    def __hash__(self):
        return hash(self.value)


class Options:
    def __init__(self, declared, chosen):
        chosen = {name: value for name, value in chosen.items() if ":" not in name}  # the others are of requirements
        assert set(chosen) == set(declared), "an option without a default, or a default without an option"
        for name, value in chosen.items():
            assert value in declared[name]
            setattr(self, name, Value(value, declared[name]))

    def get_safe(self, name):
        return getattr(self, name, None)


class Settings:
    def __init__(self, system, compiler, cppstd):
        self.os = Value(system)
        self.compiler = Value(compiler)
        self.cppstd = cppstd


class Closed:
    """An object that has these fields and no others."""

    def __setattr__(self, name, value):
        assert name in self.FIELDS, f"cpp_info has no {name}"
        super().__setattr__(name, value)


class Component(Closed):
    FIELDS = {"properties", "requires", "defines", "system_libs", "bindirs", "libdirs", "includedirs"}
    PROPERTIES = {"cmake_target_name", "pkg_config_name"}

    def __init__(self):
        self.properties, self.requires, self.defines, self.system_libs = {}, [], [], []
        self.bindirs, self.libdirs, self.includedirs = ["bin"], ["lib"], ["include"]

    def set_property(self, name, value):
        assert name in self.PROPERTIES, name
        self.properties[name] = value


class Components(dict):
    def __missing__(self, name):
        self[name] = Component()
        return self[name]


class CppInfo(Component):
    FIELDS = Component.FIELDS | {"components"}
    PROPERTIES = Component.PROPERTIES | {"cmake_file_name", "cmake_config_version_compat"}

    def __init__(self):
        super().__init__()
        self.components = Components()


class Info:
    cleared = False

    def clear(self):
        self.cleared = True


class Conf(dict):
    def get(self, name, default=None, check_type=None):
        value = super().get(name, default)
        assert check_type is None or isinstance(value, check_type)
        return value


class ConanFile:
    tested_reference_str = "weir/0.1.0"

    def prepare(self, settings, options, conf):
        self.settings, self.options, self.conf = settings, options, Conf(conf)
        self.required, self.test_required, self.log = {}, {}, []
        self.cpp_info, self.info = CppInfo(), Info()
        self.cpp = types.SimpleNamespace(build=types.SimpleNamespace(bindir="bin"))

    def requires(self, reference, transitive_headers=None, transitive_libs=None):
        self._note(self.required, reference)
        assert type(self).__name__ == "WeirTestConan" or (transitive_headers and transitive_libs)

    def test_requires(self, reference):
        self._note(self.test_required, reference)

    def run(self, command, env):
        self.log.append(f"run {command}")

    def _note(self, where, reference):
        name, version = re.fullmatch(r"([a-z0-9_+.-]{2,100})/([\d.]+|\[[<>=\d. ]+\])", reference).groups()
        assert name not in where, f"{name} is required twice"
        where[name] = version


def copy(conanfile, pattern, src, dst):
    copied = []
    for path in sorted(Path(src).rglob("*")):
        relative = path.relative_to(src)
        if path.is_file() and fnmatch.fnmatchcase(str(relative), pattern):
            target = Path(dst) / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            copied.append(str(target))
    assert copied, f"{pattern} is nowhere in {src}"
    return copied


def check_min_cppstd(conanfile, minimum):
    if conanfile.settings.cppstd < minimum:
        raise InvalidConfiguration


class Logged:
    """CMake, CMakeToolchain and CMakeDeps: what is called is noted."""

    def __init__(self, conanfile):
        self.conanfile, self.cache_variables = conanfile, {}

    def __getattr__(self, name):
        assert name in {"configure", "build", "ctest", "generate"}, name
        return lambda *arguments: self.conanfile.log.append(f"{type(self).__name__}.{name}")


def stand_in():
    def module(name, **members):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(members)

    logged = {name: type(name, (Logged,), {}) for name in ("CMake", "CMakeToolchain", "CMakeDeps")}
    module("conan", ConanFile=ConanFile)
    module("conan.tools")
    module("conan.tools.build", check_min_cppstd=check_min_cppstd, can_run=lambda conanfile: True)
    module("conan.tools.cmake", cmake_layout=lambda conanfile: conanfile.log.append("layout"), **logged)
    module("conan.tools.files", copy=copy)


def load(path, name):
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location(path.parent.name + "_recipe", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def cmake_targets(path):
    """name -> (Conan's names of what it links, its definitions, those for clang)"""
    targets = {}
    for line in Path(path).read_text().splitlines():
        name, links, definitions = re.sub(r"\$<BUILD_INTERFACE:([^>]*)>", r"\1", line).split("|")
        wanted = {CONAN_NAMES[link] for link in links.split(";") if link != "Threads::Threads"}
        for_clang = re.findall(r"\$<\$<CXX_COMPILER_ID:Clang,AppleClang>:([^>]*)>", definitions)
        always = {each for each in definitions.split(";") if "$" not in each and "NOTFOUND" not in each} - {""}
        targets[name] = (wanted, always, always | set(for_clang))
    return targets


def combinations(recipe):
    for values in itertools.product(*recipe.options.values()):
        yield dict(zip(recipe.options, values))


def run(recipe_class, options, system="Linux", compiler="gcc", cppstd=20, conf=(), recipe_folder="exported"):
    recipe = recipe_class()
    recipe.recipe_folder = recipe_folder
    recipe.prepare(Settings(system, compiler, cppstd), Options(recipe_class.options, options), conf)
    for step in "config_options layout requirements build_requirements validate package_id generate build".split():
        getattr(recipe, step)()
    recipe.package_info()
    return recipe


def check_components(recipe, targets):
    components = recipe.cpp_info.components
    by_target = {component.properties["cmake_target_name"]: component for component in components.values()}
    assert len(by_target) == len(components) and recipe.cpp_info.properties["cmake_target_name"] not in by_target
    for target, component in by_target.items():
        links, always, for_clang = targets[target]
        definitions = for_clang if "clang" in recipe.settings.compiler.value else always
        assert set(component.requires) == links, f"{target}: Conan's {component.requires}, CMake's {links}"
        assert set(component.defines) == definitions, f"{target}: Conan's {component.defines}, CMake's {definitions}"
        assert component.bindirs == component.libdirs == [] and component.includedirs == ["include"]
    # Conan refuses both a requirement that no component uses, and the use of what is not required.
    used = {name.split("::")[0] for component in components.values() for name in component.requires if "::" in name}
    assert used == set(recipe.required), f"used {used}, required {set(recipe.required)}"
    within = {name for component in components.values() for name in component.requires if "::" not in name}
    assert within <= set(components)
    return set(by_target)


def check_combinations(recipe_class, targets):
    seen = set()
    for options, compiler in itertools.product(combinations(recipe_class), ("gcc", "clang", "apple-clang", "msvc")):
        recipe = run(recipe_class, options, compiler=compiler)
        here = check_components(recipe, targets)
        wanted = {"weir::core", "weir::boost" if options["asio"] == "boost" else "weir::weir"}
        for option, target in ("with_zlib", "deflate"), ("with_openssl", "tls"), ("with_liburing", "uring"):
            wanted |= {f"weir::{target}"} if options[option] else set()
        assert here == wanted, f"{options}: {here}"
        assert recipe.info.cleared and recipe.log == ["layout"] and not recipe.test_required
        seen |= here
    assert seen == set(targets), f"Conan has {seen}, CMake {set(targets)}"


def check_platforms(recipe_class):
    everything = {**recipe_class.default_options, "with_zlib": True, "with_openssl": True, "with_liburing": True}
    for system, threads in ("Linux", ["pthread"]), ("FreeBSD", ["pthread"]), ("Macos", []), ("Windows", []):
        recipe = run(recipe_class, everything, system=system)
        assert recipe.cpp_info.components["core"].system_libs == threads
        assert ("uring" in recipe.cpp_info.components) == ("liburing" in recipe.required) == (system == "Linux")
    try:
        run(recipe_class, everything, cppstd=17)
    except InvalidConfiguration:
        pass
    else:
        raise AssertionError("C++17 is accepted")


def check_own_tests(recipe_class, source):
    """They are run in weir's tree, if that is wished. What is exported has none."""
    wished = {"tools.build:skip_test": False}
    tested = run(recipe_class, recipe_class.default_options, conf=wished, recipe_folder=source)
    assert "catch2" in tested.test_required
    assert [entry for entry in tested.log if entry.startswith("CMake.")] == ["CMake.configure", "CMake.build", "CMake.ctest"]
    assert not any(pattern.startswith("tests") for pattern in recipe_class.exports_sources)
    exported = run(recipe_class, recipe_class.default_options, conf=wished)
    assert exported.log == ["layout"] and not exported.test_required


def check_versions(recipe_class, source):
    """A range from CMake's minimum, so that the consumer's version goes; and Boost's headers alone."""
    project = (source / "CMakeLists.txt").read_text()
    asio, boost = (re.search(rf"PACKAGE {package} (\d+\.\d+)", project)[1] for package in ("asio", "Boost"))
    wanted = {"standalone": ("asio", f"[>={asio} <2]"), "boost": ("boost", f"[>={boost} <2]")}
    for options in combinations(recipe_class):
        required = run(recipe_class, options).required
        assert all(version.startswith("[>=") for version in required.values()), f"a pin in {required}"
        name, version = wanted[options["asio"]]
        assert required[name] == version, f"{name}/{required[name]}, CMake's minimum is {version}"
    assert recipe_class.default_options["boost/*:header_only"] is True


def check_compatibility(recipe_class, source):
    """Conan's find_package() refuses the versions that CMake's refuses."""
    wanted = re.search(r"COMPATIBILITY (\w+)", (source / "cmake" / "WeirInstall.cmake").read_text())[1]
    recipe = run(recipe_class, recipe_class.default_options)
    assert recipe.cpp_info.properties["cmake_config_version_compat"] == wanted


def check_package(recipe_class, source, installed):
    """Packages what is exported, and nothing else of the tree, and compares it with what CMake installs."""
    with tempfile.TemporaryDirectory(prefix="weir for conan ") as work:
        recipe = run(recipe_class, recipe_class.default_options)
        recipe.source_folder, recipe.package_folder = os.path.join(work, "exported"), os.path.join(work, "package")
        for pattern in recipe_class.exports_sources:
            copy(recipe, pattern, source, recipe.source_folder)
        if not any(Path(source, "include").rglob("*.ipp")):
            Path(recipe.source_folder, "include", "none.ipp").touch()
        recipe.package()
        listed = lambda folder: {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}
        assert listed(Path(recipe.package_folder, "include", "weir")) == listed(Path(installed, "include", "weir"))
        assert listed(Path(recipe.package_folder, "licenses")) == {"LICENSE"}
        for component in recipe.cpp_info.components.values():
            name = PKG_CONFIG_NAMES.get(component.properties["cmake_target_name"])
            assert name is None or name == component.properties["pkg_config_name"]
            assert name is None or Path(installed, "share", "pkgconfig", f"{name}.pc").is_file()


def check_test_package(test_class):
    recipe = test_class()
    recipe.prepare(Settings("Linux", "gcc", 20), None, ())
    for step in "layout requirements build test".split():
        getattr(recipe, step)()
    assert set(recipe.required) == {"weir"}
    assert recipe.log == ["layout", "CMake.configure", "CMake.build", f"run {os.path.join('bin', 'example')}"]


def main(source, targets_file, installed):
    stand_in()
    source = Path(source)
    recipe_class = load(source / "conanfile.py", "WeirConan")
    targets = cmake_targets(targets_file)
    project = (source / "CMakeLists.txt").read_text()
    assert re.search(r"VERSION (\d+\.\d+\.\d+)\n", project)[1] == recipe_class.version
    assert f'DESCRIPTION "{recipe_class.description}"' in project
    assert recipe_class.package_type == "header-library"
    check_combinations(recipe_class, targets)
    check_platforms(recipe_class)
    check_own_tests(recipe_class, source)
    check_versions(recipe_class, source)
    check_compatibility(recipe_class, source)
    check_package(recipe_class, source, installed)
    check_test_package(load(source / "test_package" / "conanfile.py", "WeirTestConan"))


main(*sys.argv[1:])
