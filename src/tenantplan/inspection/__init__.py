"""What status, db, migrations, drift and unlock look at: the live fleet, read for a person."""
