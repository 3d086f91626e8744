-- The outline of each version of a saga as its instances started by it: a definition must not be changed under them.

CREATE TABLE outline (
    saga    TEXT NOT NULL,
    version INTEGER NOT NULL,
    outline TEXT NOT NULL,
    PRIMARY KEY (saga, version)
) STRICT, WITHOUT ROWID;
