//! Requests made from descriptors.

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// How much of a request is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Only the fields that hold ids, and the request id.
    IdsOnly,
    /// Everything, with plausible values.
    Filled,
}

/// Where ids come from.
pub enum Ids<'a> {
    /// Real ones of somebody.
    Known(&'a BTreeSet<String>),
    /// Ids of the same kinds that nobody has.
    Fresh(u128),
}

/// Kinds of ids whose prefix is not the field's name.
const PREFIXES: &[(&str, &str)] = &[
    ("channel_account", "chan"),
    ("rate_plan", "plan"),
    ("invoice", "inv"),
    ("provider", "prov"),
    ("api_key", "key"),
    ("target_ticket", "ticket"),
    ("target_customer", "customer"),
    ("customer_erasure", "cerasure"),
    ("session", "session"),
];

/// A request for an RPC.
pub fn build(
    descriptor: &MessageDescriptor,
    ids: &Ids<'_>,
    shape: Shape,
    request_id: &str,
    text: &str,
) -> DynamicMessage {
    let mut message = fill(descriptor, ids, shape, text, 0);
    if descriptor.get_field_by_name("request_id").is_some() {
        message.set_field_by_name("request_id", Value::String(request_id.to_owned()));
    }
    message
}

fn fill(descriptor: &MessageDescriptor, ids: &Ids<'_>, shape: Shape, salt: &str, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    if descriptor.full_name() == "google.protobuf.Timestamp" {
        message.set_field_by_name("seconds", Value::I64(1_750_000_000));
        return message;
    }
    for field in descriptor.fields() {
        if field
            .containing_oneof()
            .is_some_and(|one| one.fields().any(|f| f.number() < field.number() && message.has_field(&f)))
        {
            continue;
        }
        if let Some(value) = value(&field, ids, shape, salt, depth) {
            message.set_field(&field, value);
        }
    }
    message
}

fn value(field: &FieldDescriptor, ids: &Ids<'_>, shape: Shape, salt: &str, depth: usize) -> Option<Value> {
    let one = single(field, ids, shape, salt, depth)?;
    if field.is_map() {
        return None;
    }
    Some(if field.is_list() { Value::List(vec![one]) } else { one })
}

fn single(field: &FieldDescriptor, ids: &Ids<'_>, shape: Shape, salt: &str, depth: usize) -> Option<Value> {
    let name = field.name();
    match field.kind() {
        Kind::String if matches!(name, "request_id" | "page_token" | "etag") => None,
        Kind::String if name.ends_with("_id") || name.ends_with("_ids") || name == "id" => {
            id(field, ids).map(Value::String)
        }
        Kind::Message(inner) if depth < 4 => {
            let filled = fill(&inner, ids, shape, salt, depth + 1);
            (shape == Shape::Filled || filled.fields().next().is_some()).then_some(Value::Message(filled))
        }
        _ if shape == Shape::IdsOnly => None,
        Kind::Message(_) => None,
        Kind::String => Some(Value::String(text(name, salt))),
        Kind::Bytes => Some(Value::Bytes(salt.as_bytes().to_vec().into())),
        Kind::Bool => Some(Value::Bool(true)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Some(Value::I32(1)),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Some(Value::I64(60)),
        Kind::Uint32 | Kind::Fixed32 => Some(Value::U32(1)),
        Kind::Uint64 | Kind::Fixed64 => Some(Value::U64(1)),
        Kind::Float => Some(Value::F32(0.5)),
        Kind::Double => Some(Value::F64(0.5)),
        Kind::Enum(list) => list.values().find(|v| v.number() != 0).map(|v| Value::EnumNumber(v.number())),
    }
}

fn id(field: &FieldDescriptor, ids: &Ids<'_>) -> Option<String> {
    let name = field.name();
    let stem = match name {
        "id" => field.parent_message().name().to_lowercase(),
        _ => name.trim_end_matches("_ids").trim_end_matches("_id").to_owned(),
    };
    let prefix = PREFIXES.iter().find(|(word, _)| *word == stem).map_or(stem.as_str(), |(_, prefix)| prefix);
    match ids {
        Ids::Known(known) => known
            .iter()
            .find(|id| id.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')))
            .cloned()
            .or_else(|| Some(format!("{prefix}_{}", "0".repeat(26)))),
        Ids::Fresh(number) => Some(format!("{prefix}_{}", body(*number))),
    }
}

fn body(number: u128) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..26).rev().map(|place| char::from(ALPHABET[((number >> (5 * place)) & 31) as usize])).collect()
}

/// A text that a field of this name takes, where that can be guessed.
fn text(name: &str, salt: &str) -> String {
    let guess = match name {
        n if n.contains("email") => "probe@probe.example",
        n if n.contains("language") => "it",
        n if n.contains("country") || n == "seat" => "IT",
        n if n.contains("zone") => "Europe/Rome",
        n if n.contains("currency") => "EUR",
        n if n.contains("date") || n == "day" || n == "as_of" => "2026-03-02",
        n if ["_from", "_on", "_until"].iter().any(|end| n.ends_with(end)) => "2026-03-02",
        "month" => "2026-03",
        "channel" => "email",
        "priority" => "normal",
        "metric" => "first_response",
        n if n == "amount" || n == "quantity" || n.contains("price") => "1",
        "start" => "09:00",
        "end" => "17:00",
        _ => return salt.to_owned(),
    };
    guess.to_owned()
}

/// All texts of a message.
pub fn texts(message: &DynamicMessage) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(&Value::Message(message.clone()), &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            found.insert(text.clone());
        }
        Value::List(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Message(message) => message.fields().for_each(|(_, value)| collect(value, found)),
        _ => {}
    }
}
