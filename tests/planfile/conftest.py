from tests.planfile.project import project as project
