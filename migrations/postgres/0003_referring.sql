-- Lists of what refers to an entity come in the order of names, from behind one of them.
DROP INDEX reference_to;
CREATE INDEX reference_to ON reference (to_kind, to_id, label, from_kind, from_id);
CREATE INDEX api_key_principal ON api_key (principal_kind, principal_id, id);
