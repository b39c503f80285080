-- What: why a thumbnail cannot be made.
-- Why:  an image that is too large is refused in other words than one that is broken.
-- Cost: none: a column with a constant default. Old processes may run beside it.

ALTER TABLE media_thumbnails ADD COLUMN is_too_large boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN media_thumbnails.is_too_large IS 'it cannot be made because the image has too many pixels';
