-- What PostgreSQL knows about the tables.

-- name: statistics_renew
-- One of the tables that have doubled since they were last looked at is looked at now, which renews the plans of all connections. One row: how many.
-- A look at the size of each table's file.
SELECT renew_statistics();
