"""The dashboard's entry: the server, and what it runs for every visitor."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages._shell.server import lifespan, middleware


def main() -> None:
    """Set the page up, register all pages, draw the sidebar and the page that was asked for."""
    from pages._shared.registry import name_of, navigate, routed, set_page_up
    from pages._shared.start import ASSETS, freeze_imports
    from pages._shell import sidebar, tour

    set_page_up()
    st.logo(str(ASSETS / "logo.svg"), size="large", icon_image=str(ASSETS / "icon.svg"))
    st.html(ASSETS / "style.css")
    freeze_imports()
    page = navigate()
    sidebar.show()
    with routed():
        tour.show(name_of(page))
        page.run()


if get_script_run_ctx(suppress_warning=True) is None:  # the server starts
    app = st.App(__file__, lifespan=lifespan, middleware=middleware)
else:  # a visitor looks at a page
    main()
