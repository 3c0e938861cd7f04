//! Compiles every .proto of the platform and writes the access table.
//! An RPC without the access option stops the build.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{error::Error, fs};

use prost::Message as _;
use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet, SourceCodeInfo};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

// a build script has nothing but its environment
#[allow(clippy::disallowed_methods)]
fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=manydesk");
    println!("cargo::rerun-if-changed=google");

    let mut files = Vec::new();
    collect(&root.join("manydesk"), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(&files)?;
    let sources = compiler.file_descriptor_set();
    compiler.include_source_info(false);
    let shapes = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(shapes.as_slice())?;
    fs::write(out.join("shapes.bin"), &shapes)?;
    fs::write(out.join("descriptors.bin"), with_comments(&pool, &sources)?)?;
    fs::write(out.join("access_table.rs"), access_table(&pool)?)?;

    tonic_prost_build::configure().build_transport(true).bytes(".").include_file("wire.rs").compile_fds(sources)?;
    Ok(())
}

/// The descriptors with what people wrote about them. Of the places in the source only the commented ones stay:
/// the others are most of the size, and nobody asks a server for lines and columns.
fn with_comments(pool: &DescriptorPool, sources: &FileDescriptorSet) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut set = Vec::new();
    for file in pool.files() {
        let source = sources.file.iter().find(|source| source.name() == file.name());
        let info = source.and_then(|source| source.source_code_info.as_ref());
        let location = info.map_or_else(Vec::new, |info| {
            let said = |place: &&Location| place.leading_comments.is_some() || place.trailing_comments.is_some();
            info.location.iter().filter(said).cloned().collect()
        });
        // messages joined end to end are merged: the options that only the pool keeps, and the comments
        let mut bytes = file.encode_to_vec();
        let comments =
            FileDescriptorProto { source_code_info: Some(SourceCodeInfo { location }), ..Default::default() };
        comments.encode(&mut bytes)?;
        prost::encoding::bytes::encode(1, &bytes, &mut set);
    }
    Ok(set)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

fn access_table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let extension =
        pool.get_extension_by_name("manydesk.access.v1.access").ok_or("manydesk/access/v1/access.proto is missing")?;
    let mut missing = Vec::new();
    let mut text = String::from("/// The access rule of every RPC, sorted by path.\npub static ACCESS: &[Rule] = &[\n");
    let mut methods: Vec<MethodDescriptor> = pool.services().flat_map(|s| s.methods().collect::<Vec<_>>()).collect();
    methods.sort_by(|a, b| a.full_name().cmp(b.full_name()));
    for method in methods {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let options = method.options();
        if !options.has_extension(&extension) {
            missing.push(path);
            continue;
        }
        let value = options.get_extension(&extension);
        let access = value.as_message().ok_or("access is a message")?;
        let scope = number(access, "scope");
        let effect = number(access, "effect");
        let roles = roles(access);
        if scope == 0 || effect == 0 || roles.contains(&0) || (roles.is_empty() && !(scope == 1 || scope == 2)) {
            return Err(format!("{path}: the access option is incomplete").into());
        }
        writeln!(
            text,
            "    Rule {{ path: {path:?}, roles: &{roles:?}, scope: {scope}, effect: {effect}, input: {:?}, client_streaming: {}, server_streaming: {} }},",
            method.input().full_name(),
            method.is_client_streaming(),
            method.is_server_streaming(),
        )?;
    }
    if !missing.is_empty() {
        return Err(format!("RPCs without (manydesk.access.v1.access): {}", missing.join(", ")).into());
    }
    text.push_str("];\n");
    Ok(text)
}

fn number(message: &DynamicMessage, field: &str) -> i32 {
    match message.get_field_by_name(field).as_deref() {
        Some(Value::EnumNumber(n)) => *n,
        _ => 0,
    }
}

fn roles(message: &DynamicMessage) -> Vec<i32> {
    match message.get_field_by_name("roles").as_deref() {
        Some(Value::List(items)) => items.iter().filter_map(Value::as_enum_number).collect(),
        _ => Vec::new(),
    }
}
