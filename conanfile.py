# SPDX-License-Identifier: BSL-1.0

"""weir for Conan 2. Components are those of CMake's find_package(weir), and so are the targets; docs/packages.md shows both."""

import os

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy

required_conan_version = ">=2.0"


class WeirConan(ConanFile):
    name = "weir"
    version = "0.1.0"
    description = "Server-Sent Events and WebSocket for C++ servers that already exist"
    license = "BSL-1.0"
    topics = ("server-sent-events", "sse", "websocket", "asio", "http", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "asio": ["standalone", "boost"],
        "with_zlib": [True, False],
        "with_openssl": [True, False],
        "with_liburing": [True, False],
    }
    default_options = {
        "asio": "standalone",
        "with_zlib": False,
        "with_openssl": False,
        "with_liburing": False,
        "boost/*:header_only": True,  # a consumer who wants Boost's libraries says otherwise
    }
    exports_sources = "CMakeLists.txt", "LICENSE", "cmake/*", "include/*"
    no_copy_source = True

    def config_options(self):
        if self.settings.os != "Linux":
            del self.options.with_liburing

    def layout(self):
        cmake_layout(self)

    # From the oldest that weir works with, so that a consumer who has another version keeps it.
    def requirements(self):
        self._require("llhttp/[>=8.1 <10]")
        if self.options.asio == "boost":
            self._require("boost/[>=1.74 <2]")
        else:
            self._require("asio/[>=1.22 <2]")
        if self.options.with_zlib:
            self._require("zlib/[>=1.2.11 <2]")
        if self.options.with_openssl:
            self._require("openssl/[>=3 <4]")
        if self.options.get_safe("with_liburing"):
            self._require("liburing/[>=2.3 <3]")

    def _require(self, reference):
        # The headers that users include include those of the requirement.
        self.requires(reference, transitive_headers=True, transitive_libs=True)

    def build_requirements(self):
        if self._runs_tests:
            self.test_requires("catch2/[>=3.4 <4]")

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    # `conan build . -c tools.build:skip_test=False`, with all options on, runs weir's own tests. Otherwise nothing is built:
    # `conan create` exports no tests.
    @property
    def _runs_tests(self):
        skipped = self.conf.get("tools.build:skip_test", default=True, check_type=bool)
        return not skipped and os.path.isdir(os.path.join(self.recipe_folder, "tests"))

    def generate(self):
        if self._runs_tests:
            toolchain = CMakeToolchain(self)
            toolchain.cache_variables["WEIR_USE_BOOST_ASIO"] = self.options.asio == "boost"
            toolchain.generate()
            CMakeDeps(self).generate()

    def build(self):
        if self._runs_tests:
            cmake = CMake(self)
            cmake.configure()
            cmake.build()
            cmake.ctest(["--label-regex", "unit|io"])

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        headers = os.path.join(self.source_folder, "include")
        for pattern in ("*.hpp", "*.ipp"):
            copy(self, pattern, headers, os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "weir")
        self.cpp_info.set_property("cmake_config_version_compat", "SameMinorVersion")
        # Conan links everything to this one. Its own name would be weir::weir, which is a component.
        self.cpp_info.set_property("cmake_target_name", "weir::all")
        self.cpp_info.set_property("pkg_config_name", "weir-all")

        core = self._component("core", "weir::core", ["llhttp::llhttp"])
        if self.settings.os in ("Linux", "FreeBSD"):
            core.system_libs = ["pthread"]
        if self.options.asio == "boost":
            self._asio("boost", "weir::boost", "boost::headers", "WEIR_USE_BOOST_ASIO", "BOOST_ASIO_HAS_CO_AWAIT=1")
        else:
            self._asio("asio", "weir::weir", "asio::asio", "ASIO_STANDALONE", "ASIO_HAS_CO_AWAIT=1")
        if self.options.with_zlib:
            self._component("deflate", "weir::deflate", ["core", "zlib::zlib"])
        if self.options.with_openssl:
            self._component("tls", "weir::tls", ["core", "openssl::ssl", "openssl::crypto"])
        if self.options.get_safe("with_liburing"):
            self._component("uring", "weir::uring", ["core", "liburing::liburing"])

    def _component(self, name, target, requires):
        component = self.cpp_info.components[name]
        component.set_property("cmake_target_name", target)
        component.set_property("pkg_config_name", {"asio": "weir", "boost": "weir-boost"}.get(name, f"weir-{name}"))
        component.requires = requires
        component.bindirs = []
        component.libdirs = []
        return component

    def _asio(self, name, target, requirement, chosen, for_clang):
        component = self._component(name, target, ["core", requirement])
        component.defines = [chosen]
        # Asio before 1.30 does not see clang's coroutines by itself.
        if self.settings.compiler in ("clang", "apple-clang"):
            component.defines.append(for_clang)
