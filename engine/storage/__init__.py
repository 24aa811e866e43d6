"""Files: uploads and the sources of jobs, in a directory or in a bucket."""
