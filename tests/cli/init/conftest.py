from tests.cli.conftest import home_of_all as home_of_all
from tests.cli.conftest import own_project as own_project
from tests.cli.conftest import project as project
