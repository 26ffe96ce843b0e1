-- What is out of the ordinary with a tenant's work: a row from when it is found until its end was told. Only tenants with an
-- endpoint that listens to alerts have any.
CREATE TABLE alerts (
  tenant TEXT NOT NULL,
  code TEXT NOT NULL,
  -- a lane or a schedule; '' where there is one of the code
  subject TEXT NOT NULL,
  raised_at INTEGER NOT NULL,
  closed_at INTEGER,
  -- 1: the endpoints have been told of the row as it is
  told INTEGER NOT NULL DEFAULT 0,
  -- JSON object: what was found
  fact TEXT NOT NULL,
  PRIMARY KEY (tenant, code, subject)
) WITHOUT ROWID, STRICT;

-- Endpoints that listen to alerts. A small table.
CREATE INDEX webhooks_alerts ON webhooks (tenant) WHERE instr(events, '"alert.') > 0;
