-- The one stream of positions.

-- name: stream_position hot
-- One row: the newest position that any process has given out. Index: stream_head_pkey (one row).
SELECT position FROM stream_head WHERE only_row;
