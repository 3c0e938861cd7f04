//! JSON over HTTP by the `google.api.http` annotations, for every RPC, from the
//! descriptors: nothing is written per RPC. JSON is proto3's canonical mapping
//! (lowerCamelCase, 64-bit numbers as strings, RFC 3339 instants).

mod call;
mod errors;
mod route;

use std::collections::HashMap;

use http::Method;
use prost_reflect::{DescriptorPool, MethodDescriptor};

pub use call::{frame, from_json, run_unary, to_json};
pub use errors::{error_response, http_code};
pub use route::{BadRoute, Body, Route};

/// All routes, indexed by method, length and verb.
pub struct Transcoder {
    pool: DescriptorPool,
    routes: HashMap<(Method, usize, String), Vec<Route>>,
}

impl Transcoder {
    /// Reads the descriptors that are compiled in.
    pub fn new() -> Result<Transcoder, BadRoute> {
        let pool = DescriptorPool::decode(proto::SHAPES).map_err(|e| BadRoute(e.to_string()))?;
        let mut routes: HashMap<_, Vec<Route>> = HashMap::new();
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            for route in route::routes_of(&pool, &method)? {
                routes.entry(route.index()).or_default().push(route);
            }
        }
        for list in routes.values_mut() {
            // a literal segment wins over a variable
            list.sort_by_key(|route| std::cmp::Reverse(route.literals()));
        }
        Ok(Transcoder { pool, routes })
    }

    /// The descriptors.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// All routes, for the OpenAPI document.
    pub fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.values().flatten()
    }

    /// The method of an RPC path `/package.Service/Method`.
    pub fn method(&self, path: &str) -> Option<MethodDescriptor> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let service = self.pool.get_service_by_name(service)?;
        service.methods().find(|m| m.name() == method)
    }

    /// The route of a request, with the values of its variables.
    fn find(&self, method: &Method, path: &str) -> Option<(&Route, Vec<(String, String)>)> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let last = segments.last()?;
        if let Some((head, verb)) = last.rsplit_once(':') {
            let mut with_verb = segments.clone();
            if let Some(slot) = with_verb.last_mut() {
                *slot = head;
            }
            if let Some(found) = self.lookup(method, &with_verb, verb) {
                return Some(found);
            }
        }
        self.lookup(method, &segments, "")
    }

    fn lookup(&self, method: &Method, segments: &[&str], verb: &str) -> Option<(&Route, Vec<(String, String)>)> {
        let candidates = self.routes.get(&(method.clone(), segments.len(), verb.to_owned()))?;
        candidates.iter().find_map(|route| route.matches(segments).map(|values| (route, values)))
    }

    /// Whether the path exists with another method.
    fn exists(&self, path: &str) -> bool {
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
            .iter()
            .any(|method| self.find(method, path).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unary_rpc_of_the_platform_has_a_route_and_none_is_ambiguous() {
        let transcoder = Transcoder::new().expect("the annotations are readable");
        let mut seen = HashMap::new();
        for route in transcoder.all() {
            let shape = (route.method.clone(), route.shape());
            if let Some(other) = seen.insert(shape, route.rpc.clone()) {
                panic!("{} and {other} have the same route {}", route.rpc, route.template);
            }
        }
        for rule in proto::ACCESS.iter().filter(|rule| !rule.client_streaming && !rule.server_streaming) {
            assert!(transcoder.all().any(|route| route.rpc == rule.path), "{} has no HTTP annotation", rule.path);
        }
    }

    #[test]
    fn a_verb_and_a_variable_are_told_apart() {
        let transcoder = Transcoder::new().expect("the annotations are readable");
        let (route, values) = transcoder
            .find(&Method::POST, "/v1/sellers/seller_1/tickets/ticket_2:solve")
            .expect("solving a ticket has a route");
        assert!(route.rpc.ends_with("/SolveTicket"), "{}", route.rpc);
        assert_eq!(
            values,
            [("seller_id".to_owned(), "seller_1".to_owned()), ("ticket_id".to_owned(), "ticket_2".to_owned())]
        );
    }
}
