-- What: the same for receipts.
-- Why:  as there; a migration of its own, since one that holds both tables waits for who reads receipts and then events, who waits for it.
-- Cost: builds an index over receipts. Old processes may run beside it.
CREATE INDEX receipts_news_idx ON receipts (position) WHERE position > 0;
DROP INDEX receipts_stream_idx;
ALTER INDEX receipts_news_idx RENAME TO receipts_stream_idx;
