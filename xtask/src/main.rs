// SPDX-License-Identifier: MPL-2.0
//! The project's commands. Needs nothing but Rust, since it installs the rest.

fn main() {}
