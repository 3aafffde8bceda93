from tests.engine.project import project as project
