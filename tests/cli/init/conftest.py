from tests.cli.conftest import project as project
