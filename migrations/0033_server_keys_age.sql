-- What: indexes by which keys of servers that were not heard of for longest are found.
-- Why:  names of servers come from outside and can be made up without end, so what is kept of them has a ceiling.
-- Cost: builds two indexes on tables with a few rows for each server that was ever met. Old processes may run beside it.

CREATE INDEX server_keys_seen_idx ON server_keys (seen_at_ms);
CREATE INDEX server_key_answers_received_idx ON server_key_answers (received_at_ms);
