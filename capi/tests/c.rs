//! Compiles programs in C against the library, and runs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use aecodec_c as _;

/// The static library, which cargo builds next to its tests.
fn library() -> PathBuf {
    std::env::current_exe().expect("the path of this test").with_file_name("libaecodec_c.a")
}

/// Compiles a program with the static library that was built for this test.
fn compiled(source: &str, folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("program");
    let output = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-UNDEBUG", "-I"])
        .arg(root.join("include"))
        .arg(root.join(source))
        .arg(library())
        .args(["-lm", "-lpthread", "-ldl", "-o"])
        .arg(&program)
        .output()
        .expect("a C compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the flags of the linker are those of Linux")]
fn c_programs_encode_decode_and_see_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(compiled("tests/round_trip.c", folder.path())).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the flags of the linker are those of Linux")]
fn the_example_decodes_row_by_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/still-life.aec");
    let program = compiled("examples/decode_rows.c", folder.path());
    let out = folder.path().join("out.ppm");
    assert!(Command::new(&program).arg(&sample).arg(&out).status().expect("it runs").success());
    let bytes = std::fs::read(&sample).expect("the sample");
    let decoded = aecodec::ModelRegistry::embedded()
        .decode(&bytes, &aecodec::DecodeOptions::default())
        .expect("a decode");
    let head = format!("P6\n{} {}\n255\n", decoded.picture.width, decoded.picture.height);
    let expected = [head.as_bytes(), &decoded.picture.samples].concat();
    assert!(std::fs::read(&out).expect("its output") == expected);
    let refused =
        Command::new(&program).arg(folder.path().join("out.ppm")).arg(&out).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
}

/// valgrind does not know AVX-512.
#[test]
#[ignore = "needs valgrind"]
fn nothing_leaks_and_nothing_is_read_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = compiled("tests/round_trip.c", folder.path());
    let output = Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"])
        .arg(program)
        .env("AECODEC_CPU", "avx2")
        .output()
        .expect("valgrind");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// As a user installs it.
#[test]
#[ignore = "needs pkg-config"]
fn the_installed_library_is_found_by_its_package() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let prefix = tempfile::tempdir().expect("a folder");
    let installed = Command::new(root.join("../packaging/install-c"))
        .arg(library())
        .env("PREFIX", prefix.path())
        .env_remove("DESTDIR")
        .status()
        .expect("it runs");
    assert!(installed.success());
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "aecodec"])
        .env("PKG_CONFIG_PATH", prefix.path().join("lib/pkgconfig"))
        .output()
        .expect("pkg-config");
    let flags = String::from_utf8(flags.stdout).expect("flags");
    let program = prefix.path().join("decode_rows");
    let compiled = Command::new("cc")
        .arg(root.join("examples/decode_rows.c"))
        .args(flags.split_whitespace())
        .arg("-o")
        .arg(&program)
        .status()
        .expect("a C compiler");
    assert!(compiled.success());
    let sample = root.join("../samples/sign.aec");
    let out = prefix.path().join("out.ppm");
    assert!(Command::new(program).arg(sample).arg(&out).status().expect("it runs").success());
    assert!(std::fs::read(out).expect("its output").starts_with(b"P6\n512 768\n255\n"));
}
