-- An event stays as long as a delivery of it is remembered: what prunes events asks for each whether there is one.

CREATE INDEX deliveries_by_event ON deliveries (seq);
