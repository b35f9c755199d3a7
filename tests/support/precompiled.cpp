// SPDX-License-Identifier: BSL-1.0

// Nothing: the precompiled headers of the test folders belong to a target, and a target needs a file.
