-- Where values of `${VAR}` go into a delivery's body is fixed with the body: JSON, an array of [pointer, head, tail].
ALTER TABLE deliveries ADD COLUMN slots TEXT;
-- Which places those were is not known of a body made before, so it is made again before it is sent again.
UPDATE deliveries SET content_type = NULL, headers = NULL, body = NULL, transform = NULL
    WHERE transform <> '' AND instr(CAST(body AS TEXT), '${') > 0;
