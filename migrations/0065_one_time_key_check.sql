-- What: the table of one-time keys without its check constraint.
-- Why:  PostgreSQL reads a constraint's text anew in each statement that writes a row: 48,000 of the 890,000 instructions of an upload of 50 keys, as
--       many of each statement that gives keys out. Two statements write these columns, and each computes one from the other.
-- Cost: none; waits for who reads or writes one-time keys. Old processes may run beside it.
ALTER TABLE one_time_key_batches DROP CONSTRAINT one_time_key_batches_given_check;
