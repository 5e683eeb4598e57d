//! Lists the files of `dashboard/`, so that they are inside the executable: no build step for whoever adds one.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=dashboard");
    let mut files = Vec::new();
    collect(&here.join("dashboard"), "", &mut files)?;
    files.sort();
    let mut code =
        String::from("/// Path below `dashboard/`, and bytes.\npub(crate) static FILES: &[(&str, &[u8])] = &[\n");
    for name in files {
        // Where the room stands is asked when this is compiled: a target directory may serve clones at several places.
        let path = format!("/dashboard/{name}");
        writeln!(code, "    ({name:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),")
            .map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    fs::write(out.join("dashboard.rs"), code)
}

fn collect(directory: &Path, below: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What is written for whoever works here is not for those who look.
        if name.starts_with('.') || name.ends_with(".md") {
            continue;
        }
        let path = format!("{below}{name}");
        if entry.file_type()?.is_dir() {
            println!("cargo::rerun-if-changed=dashboard/{path}");
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
