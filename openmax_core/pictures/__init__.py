"""From files, folders, addresses and uploads to pixels."""
