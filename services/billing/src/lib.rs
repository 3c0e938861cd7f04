//! Manydesk billing: what it costs
