-- Where other replicas reach the holder of a lease; null where they cannot.
alter table routing.lease add column address text;
