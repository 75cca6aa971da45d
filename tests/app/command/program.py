"""The ``xtramail`` command, for a process of its own."""

from xtramail.app.command.main import main

if __name__ == "__main__":
    main()
