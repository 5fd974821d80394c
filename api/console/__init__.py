def mount(app, settings):
    pass
