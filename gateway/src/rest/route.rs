//! One HTTP route, read from an annotation.

use http::Method;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

/// An annotation that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("an HTTP annotation is not usable: {0}")]
pub struct BadRoute(pub String);

/// Where the request message is in the HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nowhere: path and query only.
    None,
    /// The whole message is the body.
    Whole,
    /// One field is the body.
    Field(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable(String),
}

/// One HTTP route of one RPC.
#[derive(Clone, Debug)]
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// The template as it is written.
    pub template: String,
    /// `/package.Service/Method`.
    pub rpc: String,
    /// Descriptor of the RPC.
    pub descriptor: MethodDescriptor,
    /// Where the request message is.
    pub body: Body,
    segments: Vec<Segment>,
    verb: String,
}

impl Route {
    pub(super) fn index(&self) -> (Method, usize, String) {
        (self.method.clone(), self.segments.len(), self.verb.clone())
    }

    pub(super) fn literals(&self) -> usize {
        self.segments.iter().filter(|s| matches!(s, Segment::Literal(_))).count()
    }

    /// The template with nameless variables: two routes of one shape cannot be told apart.
    #[cfg(test)]
    pub(super) fn shape(&self) -> String {
        let parts: Vec<&str> =
            self.segments.iter().map(|s| if let Segment::Literal(text) = s { text } else { "{}" }).collect();
        format!("{}:{}", parts.join("/"), self.verb)
    }

    /// Fields that come from the path.
    pub fn variables(&self) -> Vec<&str> {
        self.segments
            .iter()
            .filter_map(|s| match s {
                Segment::Variable(name) => Some(name.as_str()),
                Segment::Literal(_) => None,
            })
            .collect()
    }

    pub(super) fn matches(&self, segments: &[&str]) -> Option<Vec<(String, String)>> {
        let mut values = Vec::new();
        for (segment, text) in self.segments.iter().zip(segments) {
            match segment {
                Segment::Literal(literal) if literal == text => {}
                Segment::Literal(_) => return None,
                Segment::Variable(name) => {
                    let value = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
                    if value.is_empty() {
                        return None;
                    }
                    values.push((name.clone(), value.into_owned()));
                }
            }
        }
        Some(values)
    }
}

/// The routes of one RPC; none without an annotation.
pub(super) fn routes_of(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<Vec<Route>, BadRoute> {
    let extension = pool
        .get_extension_by_name("google.api.http")
        .ok_or_else(|| BadRoute("google/api/annotations.proto is missing".to_owned()))?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return Ok(Vec::new());
    }
    let value = options.get_extension(&extension);
    let rule = value.as_message().ok_or_else(|| BadRoute(method.full_name().to_owned()))?;
    let mut routes = vec![route_of(method, rule)?];
    if let Some(Value::List(more)) = rule.get_field_by_name("additional_bindings").as_deref() {
        for rule in more.iter().filter_map(Value::as_message) {
            routes.push(route_of(method, rule)?);
        }
    }
    Ok(routes)
}

fn route_of(method: &MethodDescriptor, rule: &DynamicMessage) -> Result<Route, BadRoute> {
    let bad = |why: &str| BadRoute(format!("{}: {why}", method.full_name()));
    let text = |field: &str| match rule.get_field_by_name(field).as_deref() {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let (http_method, template) = [
        (Method::GET, "get"),
        (Method::POST, "post"),
        (Method::PUT, "put"),
        (Method::PATCH, "patch"),
        (Method::DELETE, "delete"),
    ]
    .into_iter()
    .find_map(|(http_method, field)| text(field).map(|template| (http_method, template)))
    .ok_or_else(|| bad("names no method"))?;
    let (path, verb) = match template.rsplit_once(':') {
        Some((path, verb)) if !verb.contains('}') => (path, verb),
        _ => (template.as_str(), ""),
    };
    let mut segments = Vec::new();
    for part in path.strip_prefix('/').ok_or_else(|| bad("does not begin with a slash"))?.split('/') {
        segments.push(match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) if name.contains(['=', '*']) => return Err(bad("uses a pattern in a variable")),
            Some(name) => Segment::Variable(name.to_owned()),
            None => Segment::Literal(part.to_owned()),
        });
    }
    let body = match text("body").as_deref() {
        None => Body::None,
        Some("*") => Body::Whole,
        Some(field) => Body::Field(field.to_owned()),
    };
    let route = Route {
        method: http_method,
        rpc: format!("/{}/{}", method.parent_service().full_name(), method.name()),
        descriptor: method.clone(),
        body,
        segments,
        verb: verb.to_owned(),
        template: template.clone(),
    };
    for name in route.variables() {
        let mut message = Some(method.input());
        for part in name.split('.') {
            let field = message
                .as_ref()
                .and_then(|m| m.get_field_by_name(part))
                .ok_or_else(|| bad("has a variable that is no field"))?;
            message = field.kind().as_message().cloned();
        }
    }
    Ok(route)
}
