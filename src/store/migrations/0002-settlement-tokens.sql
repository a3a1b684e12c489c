-- A till may repeat its request to close a shift long after the next one was closed: the first settlement of its token is found here.
-- Not unique: until this step, such a repeat closed the shift again under the same token.
CREATE INDEX settlement_token ON settlement (token, number) WHERE token IS NOT NULL;
