from twisted.application.service import ServiceMaker

xtramail = ServiceMaker("xtramail", "xtramail.app.service", "An email continuity server.", "xtramail")
