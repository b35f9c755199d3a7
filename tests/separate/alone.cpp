// SPDX-License-Identifier: BSL-1.0

// Linked with all of the compiled library: that it needs nothing of its users.

int main() {}
