from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import UpdateView

from django_telroi.web.gates import phone_verified_required
from tests.bridges.phonenumber_field.people.models import Member


class EditView(UpdateView):
    model = Member
    fields = ["phone"]
    success_url = "/"

    def get_object(self, queryset: object = None) -> Member:
        return Member.objects.get(pk=self.request.user.pk)


@phone_verified_required
def gated(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"verified: {request.user.is_phone_verified}")


urlpatterns = [
    path("edit/", EditView.as_view()),
    path("gated/", gated),
    path("admin/", admin.site.urls),
    path("phone/", include("django_telroi.urls")),
]
