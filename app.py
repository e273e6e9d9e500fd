"""The dashboard's entry: page set-up, page registry, and the sidebar's workspace and method."""

import streamlit as st

from pages._shared.registry import name_of, navigate, routed
from pages._shared.start import ASSETS, freeze_imports, keep_uploads_in_memory
from pages._shell import sidebar, tour

st.set_page_config(
    page_title="OpenMax",
    page_icon=str(ASSETS / "icon.svg"),
    layout="wide",
    initial_sidebar_state="expanded",
    menu_items={"About": "OpenMax: open-set recognition with an image classifier."},
)
st.logo(str(ASSETS / "logo.svg"), size="large", icon_image=str(ASSETS / "icon.svg"))
st.html(ASSETS / "style.css")
freeze_imports()
keep_uploads_in_memory()
page = navigate()
sidebar.show()
with routed():
    tour.show(name_of(page))
    page.run()
