"""Files that outlive a process: in a folder of this machine, or in a bucket somewhere."""
