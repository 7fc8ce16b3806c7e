"""What is asked of a finished image: is it what it should be, and what differs from another one."""
