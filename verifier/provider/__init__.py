"""The contributor's side: serving ordered requests, submitting them, and answering audits."""
