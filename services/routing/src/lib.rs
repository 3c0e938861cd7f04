//! Manydesk routing: who does what now
