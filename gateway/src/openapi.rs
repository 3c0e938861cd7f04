//! The OpenAPI 3.1 document of the JSON surface, from the descriptors and their
//! comments.

use std::collections::{BTreeMap, HashMap};

use prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorSet, SourceCodeInfo};
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use crate::rest::{Body, Route, Transcoder};

/// Writes the document.
pub fn document(transcoder: &Transcoder) -> Value {
    let comments = comments(transcoder);
    let mut writer = Writer { comments: &comments, schemas: BTreeMap::new() };
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut routes: Vec<&Route> = transcoder.all().collect();
    routes.sort_by(|a, b| (&a.rpc, &a.template).cmp(&(&b.rpc, &b.template)));
    let mut used: HashMap<String, usize> = HashMap::new();
    for route in routes {
        let n = used.entry(route.rpc.clone()).and_modify(|n| *n += 1).or_insert(1);
        let operation = writer.operation(route, *n);
        paths.entry(route.template.clone()).or_default().insert(route.method.as_str().to_lowercase(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Manydesk",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The JSON surface of the platform. The same calls are served as gRPC, gRPC-Web and Connect.",
        },
        "paths": paths,
        "components": {
            "schemas": writer.schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
        "security": [{ "token": [] }],
    })
}

/// Leading comments by full name.
fn comments(transcoder: &Transcoder) -> HashMap<String, String> {
    let mut found = HashMap::new();
    // compiled in, so that they can always be read; a document without comments is better than none
    let commented = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap_or_default();
    let infos: HashMap<&str, &SourceCodeInfo> =
        commented.file.iter().filter_map(|file| Some((file.name(), file.source_code_info.as_ref()?))).collect();
    for file in transcoder.pool().files() {
        let Some(info) = infos.get(file.name()) else { continue };
        let by_path: HashMap<&[i32], &str> = info
            .location
            .iter()
            .filter_map(|l| l.leading_comments.as_deref().map(|text| (l.path.as_slice(), text)))
            .collect();
        let mut note = |name: &str, path: &[i32]| {
            if let Some(text) = by_path.get(path) {
                let text = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
                found.insert(name.to_owned(), text.trim().to_owned());
            }
        };
        for message in file.messages() {
            note(message.full_name(), message.path());
            for field in message.fields() {
                note(field.full_name(), field.path());
            }
        }
        for list in file.enums() {
            note(list.full_name(), list.path());
        }
        for service in file.services() {
            for method in service.methods() {
                note(method.full_name(), method.path());
            }
        }
    }
    found
}

struct Writer<'a> {
    comments: &'a HashMap<String, String>,
    schemas: BTreeMap<String, Value>,
}

impl Writer<'_> {
    fn operation(&mut self, route: &Route, n: usize) -> Value {
        let method = &route.descriptor;
        let input = method.input();
        let in_path = route.variables();
        let mut parameters = Vec::new();
        for name in &in_path {
            parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
        }
        if route.body != Body::Whole {
            self.query_parameters(&input, "", &in_path, &route.body, &mut parameters, 0);
        }
        let service = method.parent_service();
        let id = format!("{}_{}", service.name(), method.name());
        let mut operation = json!({
            "operationId": if n == 1 { id } else { format!("{id}_{n}") },
            "tags": [service.name()],
            "parameters": parameters,
            "responses": {
                "200": { "description": "OK", "content": self.answer(method) },
                "default": {
                    "description": "google.rpc.Status with details",
                    "content": { "application/json": { "schema": self.status() } },
                },
            },
        });
        if let Some(text) = self.comments.get(method.full_name()) {
            operation["description"] = json!(text);
        }
        let body = match &route.body {
            Body::None => None,
            Body::Whole => Some(self.reference(&input)),
            Body::Field(name) => {
                input.get_field_by_name(name).and_then(|f| f.kind().as_message().cloned()).map(|m| self.reference(&m))
            }
        };
        if let Some(schema) = body {
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        if proto::rule(&route.rpc).is_some_and(|rule| rule.scope == proto::Scope::Public as i32) {
            operation["security"] = json!([]);
        }
        operation
    }

    fn answer(&mut self, method: &MethodDescriptor) -> Value {
        let schema = self.reference(&method.output());
        if !method.is_server_streaming() {
            return json!({ "application/json": { "schema": schema } });
        }
        let error = self.status();
        // one object a line
        let line = json!({ "type": "object", "properties": { "result": schema, "error": error } });
        json!({ "application/x-ndjson": { "schema": line } })
    }

    fn query_parameters(
        &mut self,
        message: &MessageDescriptor,
        prefix: &str,
        in_path: &[&str],
        body: &Body,
        parameters: &mut Vec<Value>,
        depth: usize,
    ) {
        for field in message.fields() {
            let name = format!("{prefix}{}", field.json_name());
            let is_body = matches!(body, Body::Field(f) if f == field.name());
            if in_path.contains(&format!("{prefix}{}", field.name()).as_str()) || is_body {
                continue;
            }
            if let Kind::Message(inner) = field.kind()
                && well_known(&inner).is_none()
            {
                if depth < 2 && !field.is_list() {
                    self.query_parameters(&inner, &format!("{name}."), &[], &Body::None, parameters, depth + 1);
                }
                continue;
            }
            let mut parameter = json!({ "name": name, "in": "query", "schema": self.field(&field) });
            if let Some(text) = self.comments.get(field.full_name()) {
                parameter["description"] = json!(text);
            }
            parameters.push(parameter);
        }
    }

    fn status(&mut self) -> Value {
        self.schemas.entry("google.rpc.Status".to_owned()).or_insert_with(|| {
            json!({
                "type": "object",
                "properties": {
                    "code": { "type": "integer", "format": "int32" },
                    "message": { "type": "string" },
                    "details": { "type": "array", "items": { "type": "object", "additionalProperties": true } },
                },
            })
        });
        json!({ "$ref": "#/components/schemas/google.rpc.Status" })
    }

    fn reference(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(schema) = well_known(message) {
            return schema;
        }
        let name = message.full_name().to_owned();
        if !self.schemas.contains_key(&name) {
            // before its fields: messages may hold themselves
            self.schemas.insert(name.clone(), Value::Null);
            let mut properties = Map::new();
            for field in message.fields() {
                let mut schema = self.field(&field);
                if let Some(text) = self.comments.get(field.full_name()) {
                    schema["description"] = json!(text);
                }
                properties.insert(field.json_name().to_owned(), schema);
            }
            let mut schema = json!({ "type": "object", "properties": properties });
            if let Some(text) = self.comments.get(message.full_name()) {
                schema["description"] = json!(text);
            }
            self.schemas.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        if field.is_map() {
            let values = field.kind().as_message().map(MessageDescriptor::map_entry_value_field);
            let schema = values.map_or_else(|| json!({}), |value| self.kind(&value.kind()));
            return json!({ "type": "object", "additionalProperties": schema });
        }
        let one = self.kind(&field.kind());
        if field.cardinality() == Cardinality::Repeated { json!({ "type": "array", "items": one }) } else { one }
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double | Kind::Float => json!({ "type": "number" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "format": "uint32", "minimum": 0 }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({ "type": "string", "format": "int64" }),
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Enum(list) => self.enumeration(list),
            Kind::Message(message) => self.reference(message),
        }
    }

    fn enumeration(&mut self, list: &EnumDescriptor) -> Value {
        let name = list.full_name().to_owned();
        if !self.schemas.contains_key(&name) {
            let words: Vec<String> = list.values().map(|v| v.name().to_owned()).collect();
            let mut schema = json!({ "type": "string", "enum": words });
            if let Some(text) = self.comments.get(list.full_name()) {
                schema["description"] = json!(text);
            }
            self.schemas.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

/// Types with a JSON form of their own.
fn well_known(message: &MessageDescriptor) -> Option<Value> {
    Some(match message.full_name() {
        "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "google.protobuf.Duration" => json!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$" }),
        "google.protobuf.FieldMask" => {
            json!({ "type": "string", "description": "Comma-separated paths in lowerCamelCase." })
        }
        "google.protobuf.Empty" | "google.protobuf.Struct" => json!({ "type": "object" }),
        _ => return None,
    })
}
