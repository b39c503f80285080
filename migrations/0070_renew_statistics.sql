-- What: a function that looks at a table which has doubled since PostgreSQL last looked at it.
-- Why:  plans are made once and kept until a table is looked at again (storage/pg.c). One that was made when a table was empty takes any index that
--       begins with the room, and autovacuum comes once a minute: until then each change of the state read all that held in the room, and what
--       follows the stream all members that there ever were. tests/plans asks with plans of empty tables.
--       One table a transaction: of a look that is undone, such as for another table that took too long, the size stays noted and the statistics do
--       not, so nobody would look again. And who holds no lock while it asks for the next size is in no migration's way.
-- Cost: nothing by itself. Old processes may run beside it.

CREATE FUNCTION renew_statistics() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	grown regclass := (SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
		AND pg_relation_size(oid) >= 2 * greatest(relpages, 8) * current_setting('block_size')::bigint ORDER BY random() LIMIT 1);
BEGIN
	IF grown IS NULL THEN
		RETURN 0;
	END IF;
	EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
	RETURN 1;
END
$$;
COMMENT ON FUNCTION renew_statistics() IS 'Analyses one table of 16 pages or more that has doubled since it was last analysed, whichever: how many';
